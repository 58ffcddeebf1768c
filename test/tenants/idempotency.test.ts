/** Idempotency-Key on requests that create and delete tenants, which involve two objects. */
import { expect, it } from 'vitest';
import { api, createTenant } from '../support/api.ts';
import { aroundCallsOf, directoryObject } from '../support/bindings.ts';

const idem = { 'Idempotency-Key': 'once' };

it('a refused creation gets the same response when it is repeated', async () => {
  await createTenant('taken');
  const first = await api('POST', '/tenants', { id: 'taken' }, idem);
  const again = await api('POST', '/tenants', { id: 'taken' }, idem);
  expect([first.status, again.status]).toEqual([409, 409]);
});

it('a deletion that another copy of the request overtakes gets the same response', async () => {
  await createTenant('gone');
  let isReached = false;
  let isOvertaken = false;
  // The directory asks the tenant whether it exists, and this waits until the other copy is done.
  const undo = await aroundCallsOf(directoryObject(), async (method, send) => {
    if (method === 'describe') {
      isReached = true;
      while (!isOvertaken) await scheduler.wait(1);
    }
    return send();
  });
  const late = api('DELETE', '/tenants/gone', undefined, idem);
  while (!isReached) await scheduler.wait(1);
  await undo();
  const first = await api('DELETE', '/tenants/gone', undefined, idem);
  isOvertaken = true;
  expect([first.status, (await late).status]).toEqual([204, 204]);
  expect((await late).headers.get('Idempotency-Replayed')).toBe('true');
});
