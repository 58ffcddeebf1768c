/**
 * One process of many that verify the keys of a tenant by leases of their own. It verifies all of them as fast as it
 * can, again and again, with pauses, so that many such processes leave the server a part of the processors.
 */
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { Keystead } from '../../client/src/index.ts';
import type { FleetCounts, FleetSetup } from './fleet.ts';

/** Calls under way at the same time when the process learns its keys. */
const CALLS_AT_ONCE = 8;

const [{ url, token, keys, pauseMs }] = (await once(process, 'message')) as [FleetSetup];
const counts: FleetCounts = { requests: 0, verifications: 0, wrong: 0 };
const client = new Keystead({
  url,
  token,
  fetch: (input, init) => {
    counts.requests += 1;
    return fetch(input, init);
  },
});
process.once('disconnect', () => process.exit());
process.on('message', () => process.send?.(counts));

for (let first = 0; first < keys.length; first += CALLS_AT_ONCE) {
  await Promise.all(keys.slice(first, first + CALLS_AT_ONCE).map((key) => client.verify(key)));
}
let isReady = false;
for (;;) {
  for (const key of keys) {
    const { valid } = await client.verify(key);
    counts.verifications += 1;
    if (!valid) counts.wrong += 1;
  }
  if (!isReady) process.send?.({ ready: true });
  isReady = true;
  await setTimeout(pauseMs * (0.5 + Math.random()));
}
