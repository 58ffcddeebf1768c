/**
 * Leases at the end of a tenant's life, in real time. A key verified just before the deletion is not `VALID` afterwards
 * from any isolate's memory.
 */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { newTenant } from '../../domain/tenants/record.ts';
import { TenantState } from '../../durable-objects/tenant/state.ts';
import type { Env } from '../../src/env.ts';
import { logged } from '../http/client.ts';
import { api, createKey, createTenant } from '../support/api.ts';
import { aroundCallsOf, directoryObject, restart } from '../support/bindings.ts';
import { apiWith } from '../support/faults.ts';
import { command, sqlIn, tenantObject } from '../support/objects.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Isolates, each with its own memory. */
const isolates: readonly Env[] = [{ ...env }, { ...env }, { ...env }];

const codesOf = (secret: string) =>
  Promise.all(
    isolates.map(async (isolate) => {
      const { body } = await apiWith(isolate, 'POST', '/keys/verify', { key: secret });
      return JSON.parse(JSON.stringify(body)).code;
    }),
  );

const everywhere = (code: string) => isolates.map(() => code);

async function leasedKey(id: string, leaseSeconds: number): Promise<string> {
  await createTenant(id, { settings: { leaseSeconds } });
  const { secret } = await createKey(id);
  expect(await codesOf(secret)).toEqual(everywhere('VALID'));
  return secret;
}

describe('a deletion', () => {
  it('returns when no isolate reports VALID any more', async () => {
    const secret = await leasedKey('leased', 1);
    expect((await api('DELETE', '/tenants/leased')).status).toBe(204);
    expect(await codesOf(secret)).toEqual(everywhere('NOT_FOUND'));
  });

  it('delays a request that creates the tenant again or reads it', async () => {
    const secret = await leasedKey('again', 1);
    const deletion = api('DELETE', '/tenants/again');
    // The data are deleted at once; the leases have not ended.
    while ((await sqlIn('again', "SELECT 1 FROM sqlite_master WHERE name = 'tenant'")).length > 0)
      await scheduler.wait(1);
    expect(await codesOf(secret)).toContain('VALID');
    const asked = api('GET', '/tenants/again').then(() => codesOf(secret));
    const repeated = api('DELETE', '/tenants/again').then(() => codesOf(secret));
    const created = api('POST', '/tenants', { id: 'again' });
    expect((await created).status).toBe(201);
    expect(await codesOf(secret)).toEqual(everywhere('NOT_FOUND'));
    for (const results of [asked, repeated]) expect(await results).toEqual(everywhere('NOT_FOUND'));
    expect((await deletion).status).toBe(204);
  });

  it('between the confirmation and the creation of the next tenant delays the creation as well', async () => {
    const secret = await leasedKey('between', 1);
    let isReached = false;
    let isReleased = false;
    await aroundCallsOf(await tenantObject('between'), async (method, send) => {
      const result = await send();
      if (method !== 'confirm') return result;
      isReached = true;
      while (!isReleased) await scheduler.wait(1);
      return result;
    });
    const tables = () => sqlIn('between', "SELECT 1 FROM sqlite_master WHERE name = 'tenant'");
    const created = api('POST', '/tenants', { id: 'between', settings: { leaseSeconds: 0 } }).then(({ status }) =>
      Promise.all([status, codesOf(secret)]),
    );
    while (!isReached) await scheduler.wait(1);
    const deletion = api('DELETE', '/tenants/between');
    while ((await tables()).length > 0) await scheduler.wait(1);
    isReleased = true;
    while ((await tables()).length === 0) await scheduler.wait(1);
    // The next tenant is stored, but nobody is told of it while the earlier one's key may still be VALID.
    const asked = api('GET', '/tenants/between').then(({ status }) => Promise.all([status, codesOf(secret)]));
    expect(await asked).toEqual([200, everywhere('NOT_FOUND')]);
    expect(await created).toEqual([201, everywhere('NOT_FOUND')]);
    expect((await deletion).status).toBe(204);
  });

  it('whose object crashed while it waited finishes when the longest possible lease has ended', async () => {
    logged();
    const secret = await leasedKey('died', 10);
    let isSent = false;
    const undo = await aroundCallsOf(directoryObject(), async (method, send) => {
      if (method === 'destroy') isSent = true;
      return send();
    });
    const deletion = api('DELETE', '/tenants/died');
    while (!isSent) await scheduler.wait(1);
    while ((await sqlIn('died', "SELECT 1 FROM sqlite_master WHERE name = 'tenant'")).length > 0)
      await scheduler.wait(1);
    await restart(await tenantObject('died'));
    expect((await deletion).status).toBe(503);
    await undo();
    // Nothing is left that records the leases.
    const created = api('POST', '/tenants', { id: 'died', settings: { leaseSeconds: 0 } });
    const repeated = api('DELETE', '/tenants/died');
    await Promise.race([created, repeated]);
    expect(await codesOf(secret)).toEqual(everywhere('NOT_FOUND'));
    await Promise.all([created, repeated]);
  });
});

it('a finished wait for one change does not end the leases of another tenant with that id', async () => {
  await createTenant('settled', { settings: { leaseSeconds: 10 } });
  await sqlIn('settled', "UPDATE tenant SET settings = json_set(settings, '$.leaseSeconds', 0)");
  const inForce = await runInDurableObject(await tenantObject('settled'), (_, { storage }) => {
    const state = new TenantState(storage);
    const { tenant } = state;
    if (tenant === null) throw new Error('no tenant');
    state.settleLeases({ ...tenant, incarnation: 'inc_another' });
    const before = storage.sql.exec('SELECT lease_seconds_in_force AS n FROM tenant').one().n;
    state.settleLeases(tenant);
    return [before, storage.sql.exec('SELECT lease_seconds_in_force AS n FROM tenant').one().n];
  });
  expect(inForce).toEqual([10, 0]);
});

describe('a creation whose id has a deletion that is not finished', () => {
  /** How long an object waits in total before it confirms the creation, if it started that long ago. */
  async function waitsFor(id: string, startedMsAgo: number, earlierDeletion: boolean): Promise<number> {
    const waits: number[] = [];
    vi.spyOn(scheduler, 'wait').mockImplementation(async (ms) => void waits.push(ms));
    const object = env.TENANTS.get(env.TENANTS.idFromName(id)) as unknown as DurableObjectStub;
    await runInDurableObject(object, async (_, { storage }) => {
      const now = Date.now();
      const clock = vi.spyOn(Date, 'now').mockReturnValue(now - startedMsAgo);
      const state = new TenantState(storage);
      clock.mockReturnValue(now);
      const tenant = newTenant(id, `inc_${id}`, { name: id, settings: { leaseSeconds: 0 } }, now);
      const created = await state.create(tenant, command('op_fresh'), async () => ({
        allowed: true,
        earlierDeletion,
      }));
      clock.mockRestore();
      expect(created.ok).toBe(true);
    });
    return waits.reduce((sum, ms) => sum + ms, 0);
  }

  it('waits for the longest lease that an earlier instance of the object may have granted', async () => {
    expect(await waitsFor('fresh', 0, true)).toBe(10_550);
    expect(await waitsFor('older', 4000, true)).toBe(6550);
    expect(await waitsFor('old', 10_550, true)).toBe(0);
  });

  it('does not wait when there is no such deletion', async () => {
    expect(await waitsFor('none', 0, false)).toBe(0);
  });
});
