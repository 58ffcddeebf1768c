/**
 * Turns of the event loop, for long work. While code computes, no other request is served; awaiting a promise that is
 * settled already does not change that, so the work must be split by a timer.
 */

/** Ends this turn. Requests that arrived meanwhile are served before the caller goes on. */
export const nextTurn = (): Promise<void> => scheduler.wait(0);

/** The parts of a list, `size` items each, every part in its own turn. */
export async function* partsInTurns<T>(list: readonly T[], size: number): AsyncGenerator<readonly T[]> {
  for (let from = 0; from < list.length; from += size) {
    if (from > 0) await nextTurn();
    yield list.slice(from, from + size);
  }
}
