/** The first answer again, for the requests of tenants, of which two objects are concerned. */
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';
import { api, createTenant } from '../support/api.ts';
import { apiWith } from '../support/faults.ts';

const idem = { 'Idempotency-Key': 'once' };

it('a refused creation is refused alike when it is repeated', async () => {
  await createTenant('taken');
  const first = await api('POST', '/tenants', { id: 'taken' }, idem);
  const again = await api('POST', '/tenants', { id: 'taken' }, idem);
  expect([first.status, again.status]).toEqual([409, 409]);
});

it('a deletion that another copy of the request overtakes is answered alike', async () => {
  await createTenant('gone');
  const overtaken = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  // Its question whether the tenant is there waits until the other copy is done.
  const slow = new Proxy(env.TENANTS, {
    get: (space, property) => {
      if (property !== 'get') return Reflect.get(space, property).bind(space);
      return (id: DurableObjectId) =>
        new Proxy(space.get(id), {
          get:
            (stub, method) =>
            async (...args: unknown[]) => {
              if (method === 'describe') {
                reached.resolve();
                await overtaken.promise;
              }
              return Reflect.get(stub, method)(...args);
            },
        });
    },
  });
  const late = apiWith({ ...env, TENANTS: slow }, 'DELETE', '/tenants/gone', undefined, idem);
  await reached.promise;
  const first = await api('DELETE', '/tenants/gone', undefined, idem);
  overtaken.resolve();
  expect([first.status, (await late).status]).toEqual([204, 204]);
});
