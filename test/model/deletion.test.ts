/** The protocol of creation and deletion (domain/tenants/lifecycle.ts) against its promises, over random histories. */
import fc from 'fast-check';
import { afterAll, beforeAll, inject, it } from 'vitest';
import { checkHistory, history } from './deletion/histories.ts';
import { enterWorld, leaveWorld } from './deletion/world.ts';

const numRuns = Math.ceil((inject('modelRuns') ?? 24) / 3);

/**
 * A history has hundreds of calls that each really wait for their turn. Ten seconds for each history, on a slow
 * machine.
 */
const TIMEOUT_MS = Math.max(180_000, numRuns * 10_000);

beforeAll(enterWorld);
afterAll(leaveWorld);

it(
  'after any loss, crash or delay, a tenant reported as deleted is gone and a tenant reported as created exists',
  async () => {
    await fc.assert(fc.asyncProperty(history, checkHistory), { numRuns, endOnFailure: true });
  },
  TIMEOUT_MS,
);
