/**
 * Verifications that have spent credits lately, by ids that the Worker gives them. The Worker repeats a verification
 * when its answer was lost, and a repeated one must not spend again if the first was committed. It gets the first
 * answer.
 *
 * Memory keeps the answers of the last thousand. If the object was started anew meanwhile, the row of the credits knows
 * its last spends too, as a text: so much fits beside the balance without cost. The Worker repeats a call within a
 * second, so few spends lie between a call and its repetition.
 */

/** Answers that memory keeps: some 300 bytes each. */
const KEPT_IN_MEMORY = 1000;
/** Length of the text of a row: some 15 spends. */
const KEPT_CHARACTERS = 400;

export class RecentSpends<T> {
  readonly #answers = new Map<string, T>();

  find(id: string): T | undefined {
    return this.#answers.get(id);
  }

  remember(id: string, answer: T): void {
    this.#answers.set(id, answer);
    if (this.#answers.size <= KEPT_IN_MEMORY) return;
    for (const oldest of this.#answers.keys()) {
      this.#answers.delete(oldest);
      return;
    }
  }
}

/** The text of the last spends with one more, the newest first: `;id=remaining` for each. */
export function addSpend(text: string, id: string, remaining: number): string {
  const whole = `;${id}=${remaining}${text}`;
  return whole.length <= KEPT_CHARACTERS ? whole : whole.slice(0, whole.lastIndexOf(';', KEPT_CHARACTERS));
}

/** What remained after the spend with this id; null when the text does not know it. */
export function remainingAfter(text: string, id: string): number | null {
  const start = `;${id}=`;
  const at = text.indexOf(start);
  return at < 0 ? null : Number.parseInt(text.slice(at + start.length), 10);
}
