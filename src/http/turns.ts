/** Letting others in during long work: what is computed in one go keeps everybody waiting, and a promise that is settled already lets nobody in. */

/** Ends this turn of the event loop. What others asked meanwhile is served before this goes on. */
export const nextTurn = (): Promise<void> => scheduler.wait(0);

/** A list in parts of `size`, each in a turn of its own. */
export async function* partsInTurns<T>(list: readonly T[], size: number): AsyncGenerator<readonly T[]> {
  for (let from = 0; from < list.length; from += size) {
    if (from > 0) await nextTurn();
    yield list.slice(from, from + size);
  }
}
