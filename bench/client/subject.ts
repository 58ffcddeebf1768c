/** The child's side of a subject: verifies the tokens of the kind that it is asked for, and reports what that cost. */
import { setImmediate } from 'node:timers/promises';
import type { Reply, TurnRequest, TurnResult } from './protocol.ts';

/** Returns how many of the tokens from `first` up to `end` were not valid. */
export type VerifySome = (first: number, end: number) => number | Promise<number>;

export type Kind = {
  /** The name that turns are asked for by. */
  readonly name: string;
  readonly tokens: number;
  readonly verify: VerifySome;
};

/** So often the loop looks at the clock, and lets what waits have its turn, as a server does between its requests. */
const AT_ONCE = 500;

/** Takes turns until the benchmark ends or disconnects. */
export function serveTurns(kinds: readonly Kind[]): void {
  process.on('message', async ({ kind, durationMs }: TurnRequest) => {
    try {
      const wanted = kinds.find(({ name }) => name === kind);
      if (wanted !== undefined) tell(await turn(wanted, durationMs));
    } catch (error) {
      tell({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.once('disconnect', () => process.exit());
  tell({ ready: true });
}

const tell = (reply: Reply) => process.send?.(reply);

async function turn({ tokens, verify }: Kind, durationMs: number): Promise<TurnResult> {
  const before = process.cpuUsage();
  const endsAt = performance.now() + durationMs;
  let verifications = 0;
  let wrong = 0;
  do {
    for (let first = 0; first < tokens && performance.now() < endsAt; first += AT_ONCE) {
      const end = Math.min(first + AT_ONCE, tokens);
      wrong += await verify(first, end);
      verifications += end - first;
      await setImmediate();
    }
  } while (performance.now() < endsAt);
  const { user, system } = process.cpuUsage(before);
  return { verifications, wrong, cpuMicros: user + system };
}
