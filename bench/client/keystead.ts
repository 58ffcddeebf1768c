/** The subject Keystead: its client verifies by leases of its own, and the same process asks the server each time. */
import { once } from 'node:events';
import { Keystead } from '../../client/src/index.ts';
import type { Setup } from './protocol.ts';
import { serveTurns, type VerifySome } from './subject.ts';

/** Calls under way at the same time. */
const CALLS = 16;

const [{ url, token, keys }] = (await once(process, 'message')) as [Setup];
const leased = new Keystead({ url, token });
const asking = new Keystead({ url, token, leases: false });

const byLease: VerifySome = async (first, end) => {
  let wrong = 0;
  for (let i = first; i < end; i++) if (!(await leased.verify(keys[i] ?? '')).valid) wrong += 1;
  return wrong;
};

const byCall: VerifySome = async (first, end) => {
  let next = first;
  let wrong = 0;
  const call = async () => {
    while (next < end) if (!(await asking.verify(keys[next++] ?? '')).valid) wrong += 1;
  };
  await Promise.all(Array.from({ length: CALLS }, call));
  return wrong;
};

// The first look at each key is a call.
await byLease(0, keys.length);
serveTurns([
  { name: 'leased', tokens: keys.length, verify: byLease },
  { name: 'HTTP', tokens: keys.length, verify: byCall },
]);
