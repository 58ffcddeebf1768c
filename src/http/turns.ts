/** Letting others in during long work: what is computed in one go keeps everybody waiting, and a promise that is settled already lets nobody in. */

/** Ends this turn of the event loop. What others asked meanwhile is served before this goes on. */
export const nextTurn = (): Promise<void> => scheduler.wait(0);
