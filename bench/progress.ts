/** Shows the step that is under way: as one line that changes on a terminal, else as a line for each step. */

const INTERVAL_MS = 100;
const ERASE_LINE = '\r\x1b[K';

export class Progress implements Disposable {
  readonly #isTerminal = process.stderr.isTTY === true;
  #step = '';
  #shownAt = 0;

  /** Begins a new step. */
  step(text: string): void {
    if (!this.#isTerminal && text !== this.#step) console.error(text);
    this.#step = text;
    this.#show(text);
  }

  /** Shows how far the step is, on a terminal only. */
  detail(text: string): void {
    if (Date.now() - this.#shownAt >= INTERVAL_MS) this.#show(`${this.#step}: ${text}`);
  }

  #show(line: string): void {
    if (!this.#isTerminal) return;
    this.#shownAt = Date.now();
    process.stderr.write(ERASE_LINE + line.slice(0, (process.stderr.columns ?? 80) - 1));
  }

  [Symbol.dispose](): void {
    if (this.#isTerminal) process.stderr.write(ERASE_LINE);
  }
}
