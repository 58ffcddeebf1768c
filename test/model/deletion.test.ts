/** The protocol of creation and deletion (domain/tenants/lifecycle.ts) against what it promises, in random histories. */
import fc from 'fast-check';
import { afterAll, beforeAll, inject, it } from 'vitest';
import { checkHistory, history } from './deletion/histories.ts';
import { enterWorld, leaveWorld } from './deletion/world.ts';

const numRuns = Math.ceil((inject('modelRuns') ?? 24) / 3);

/** Hundreds of calls a history, each of which really waits for its turn: ten seconds for each, on a busy machine. */
const TIMEOUT_MS = Math.max(180_000, numRuns * 10_000);

beforeAll(enterWorld);
afterAll(leaveWorld);

it(
  'whatever is lost, dies or comes late, a tenant that is said to be gone is gone, and one that is said to be there is there',
  async () => {
    await fc.assert(fc.asyncProperty(history, checkHistory), { numRuns, endOnFailure: true });
  },
  TIMEOUT_MS,
);
