/** Deletion of tenants: calls between the objects that are lost or late, and concurrent requests. */
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { managementKeyWithSecret } from '../../src/api/management-keys/schemas.ts';
import { logged } from '../http/client.ts';
import { api, createKey, createTenant, problemCode, verify, walk } from '../support/api.ts';
import { aroundCallsOf, directoryAlarmAt, directoryObject, restart, sqlInDirectory } from '../support/bindings.ts';
import { advance, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { command, evict, sqlIn, tenantObject } from '../support/objects.ts';

pretendTime();
afterEach(() => {
  vi.restoreAllMocks();
});

const as = (secret: string) => ({ Authorization: `Bearer ${secret}` });
const withKey = (key: string) => ({ 'Idempotency-Key': key });
const listed = async () => (await walk('/tenants?limit=50')).map((tenant) => tenant.id);
const deletionsOf = async (tenantId: string) =>
  (await walk('/audit?action=tenant.delete&limit=100')).filter(
    ({ changes }) => JSON.stringify(changes) === JSON.stringify({ tenantId }),
  );

async function grantFor(tenantId: string, input: object = { role: 'owner' }) {
  const { status, body } = await api('POST', '/management-keys', { name: 'm', tenantId, ...input });
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(managementKeyWithSecret, body);
}

/** Runs the directory's alarm at its time, and waits until its work is done. */
async function runDirectoryAlarm(): Promise<void> {
  const dueAt = await directoryAlarmAt();
  if (dueAt !== null && dueAt > Date.now()) vi.setSystemTime(dueAt);
  await runDurableObjectAlarm(directoryObject());
}

/** Runs the alarm, as often as it is set again, until the tenant's deletion is finished. */
async function finishByAlarm(id: string): Promise<void> {
  const isThere = async () => (await sqlInDirectory('SELECT 1 FROM tenants WHERE id = ?', id)).length > 0;
  while (await isThere()) {
    await runDirectoryAlarm();
    for (let look = 0; look < 50 && (await isThere()); look++) await scheduler.wait(10);
  }
}

/** Makes the directory's calls of this method wait until they are released. */
async function heldAt(method: string) {
  let isReached = false;
  let released = false;
  const undo = await aroundCallsOf(directoryObject(), async (called, send) => {
    if (called === method) {
      isReached = true;
      while (!released) await scheduler.wait(1);
    }
    return send();
  });
  const release = async () => {
    released = true;
    await undo();
  };
  // Each waiter polls, because an object must not be woken by another object's promise.
  const reached = async () => {
    while (!isReached) await scheduler.wait(1);
  };
  return { reached, release };
}

/** Makes the directory's calls of this method fail. */
const failingAt = (methods: readonly string[], when: 'before' | 'after', tenantIncarnation?: string) =>
  aroundCallsOf(directoryObject(), async (called, send, args) => {
    const isConcerned = methods.includes(called) && (tenantIncarnation === undefined || args[0] === tenantIncarnation);
    if (!isConcerned || when === 'after') await send();
    else throw new Error('the network went away');
    if (isConcerned) throw new Error('the result went away');
    return send();
  });

describe('a deletion that is interrupted', () => {
  it.each([
    ['describe', 'before', false],
    ['describe', 'after', false],
    ['revokeKeys', 'before', true],
    ['revokeKeys', 'after', true],
    ['destroy', 'before', true],
    ['destroy', 'after', true],
  ] as const)(
    'at %s, %s it took effect, is finished by the alarm or by another request',
    async (method, when, decided) => {
      logged();
      const id = `cut-${method.toLowerCase()}-${when}`;
      await createTenant(id);
      const { secret } = await createKey(id);
      const undo = await failingAt([method], when);
      expect((await api('DELETE', `/tenants/${id}`)).status).toBe(503);
      await undo();
      if (decided) await finishByAlarm(id);
      else {
        expect((await verify(secret)).code).toBe('VALID');
        expect((await api('DELETE', `/tenants/${id}`)).status).toBe(204);
      }
      expect((await verify(secret)).code).toBe('NOT_FOUND');
      expect(await listed()).not.toContain(id);
      expect((await deletionsOf(id)).length).toBe(1);
      expect(await sqlInDirectory('SELECT * FROM tenants WHERE id = ?', id)).toEqual([]);
      await createTenant(id);
      expect(await listed()).toContain(id);
      expect((await verify(secret)).code).toBe('NOT_FOUND');
    },
  );

  it('on the way to the directory or back is retried by the Worker and decided once', async () => {
    for (const when of ['before', 'after'] as const) {
      const id = `worker-${when}`;
      await createTenant(id);
      const { env: faulty } = faultyEnv({ method: 'deleteTenant', times: 1, when, retryable: true });
      expect((await apiWith(faulty, 'DELETE', `/tenants/${id}`)).status).toBe(204);
      expect((await deletionsOf(id)).length).toBe(1);
    }
  });

  it('is finished by whoever reads the tenant, creates it again, or repeats the deletion', async () => {
    const ways: Record<string, (id: string) => Promise<number>> = {
      get: async (id) => (await api('GET', `/tenants/${id}`)).status,
      post: async (id) => (await api('POST', '/tenants', { id })).status,
      delete: async (id) => (await api('DELETE', `/tenants/${id}`)).status,
      repeat: async (id) => (await api('DELETE', `/tenants/${id}`, undefined, withKey(`r-${id}`))).status,
    };
    logged();
    for (const [name, ask] of Object.entries(ways)) {
      const id = `asked-${name}`;
      await createTenant(id);
      const { secret } = await createKey(id);
      const undo = await failingAt(['destroy'], 'before');
      expect((await api('DELETE', `/tenants/${id}`, undefined, withKey(`r-${id}`))).status).toBe(503);
      await undo();
      if (name === 'get' || name === 'delete') {
        // The tenant's object still has the tenant, so reading it does not finish the deletion yet.
        expect([200, 204]).toContain(await ask(id));
      } else expect(await ask(id)).toBe(name === 'repeat' ? 204 : 201);
      if (name !== 'get') expect((await verify(secret)).code).toBe('NOT_FOUND');
    }
  });

  it('because the data could not be dropped is retried, and does not leave them for the next start', async () => {
    logged();
    await createTenant('undropped');
    const { secret } = await createKey('undropped');
    await runInDurableObject(await tenantObject('undropped'), (_, { storage }) => {
      const { deleteAll } = storage;
      storage.deleteAll = () => {
        storage.deleteAll = deleteAll;
        return Promise.reject(new Error('the disk failed'));
      };
    });
    expect((await api('DELETE', '/tenants/undropped')).status).toBe(503);
    await finishByAlarm('undropped');
    await evict('undropped');
    expect((await verify(secret)).code).toBe('NOT_FOUND');
  });
});

describe('while a tenant is being deleted', () => {
  it('a management key that is made for it is refused, and does not open a later tenant of that id', async () => {
    await createTenant('meantime', { settings: { allowReveal: true } });
    await grantFor('meantime');
    const held = await heldAt('destroy');
    const deletion = api('DELETE', '/tenants/meantime');
    await held.reached();
    // The existing keys have been revoked by now. This one is created after that.
    const { body, status } = await api('POST', '/management-keys', {
      name: 'late',
      role: 'owner',
      tenantId: 'meantime',
    });
    const grants = status === 201 ? [v.parse(managementKeyWithSecret, body)] : [];
    await held.release();
    expect((await deletion).status).toBe(204);
    await createTenant('meantime', { settings: { allowReveal: true } });
    const { id, secret } = await createKey('meantime');
    for (const grant of grants) {
      expect([401, 404]).toContain((await api('GET', '/tenants/meantime', undefined, as(grant.secret))).status);
      const path = `/tenants/meantime/keys/${id}/reveal`;
      expect([401, 404]).toContain((await api('POST', path, undefined, as(grant.secret))).status);
      const result = await api('POST', '/keys/verify', { key: secret }, as(grant.secret));
      expect(result.status === 401 || JSON.stringify(result.body).includes('NOT_FOUND')).toBe(true);
    }
    expect(grants.length).toBe(1);
  });

  it('a repeat with its Idempotency-Key gets its response when the tenant is gone, not before', async () => {
    await createTenant('repeated');
    const { secret } = await createKey('repeated');
    const held = await heldAt('destroy');
    const first = api('DELETE', '/tenants/repeated', undefined, withKey('once'));
    await held.reached();
    let hasReturned = false;
    const again = api('DELETE', '/tenants/repeated', undefined, withKey('once')).finally(() => {
      hasReturned = true;
    });
    await scheduler.wait(100);
    expect(hasReturned).toBe(false);
    expect((await verify(secret)).code).toBe('VALID');
    await held.release();
    expect([(await first).status, (await again).status]).toEqual([204, 204]);
    expect((await again).headers.get('Idempotency-Replayed')).toBe('true');
    expect((await verify(secret)).code).toBe('NOT_FOUND');
  });

  it('no response says that it is gone, from an isolate that does not know it either', async () => {
    await createTenant('untold');
    const held = await heldAt('destroy');
    const deletion = api('DELETE', '/tenants/untold');
    await held.reached();
    let isTold = false;
    const asked = apiWith({ ...env }, 'GET', '/tenants/untold').finally(() => {
      isTold = true;
    });
    await scheduler.wait(100);
    expect(isTold).toBe(false);
    await held.release();
    expect([(await deletion).status, (await asked).status]).toEqual([204, 404]);
  });

  it('a deletion with another Idempotency-Key joins it, and can be repeated after a new creation', async () => {
    await createTenant('joined');
    const held = await heldAt('destroy');
    const first = api('DELETE', '/tenants/joined', undefined, withKey('first'));
    await held.reached();
    const second = api('DELETE', '/tenants/joined', undefined, withKey('second'));
    await scheduler.wait(50);
    await held.release();
    expect([(await first).status, (await second).status]).toEqual([204, 204]);
    await createTenant('joined');
    const again = await api('DELETE', '/tenants/joined', undefined, withKey('second'));
    expect([again.status, again.headers.get('Idempotency-Replayed')]).toEqual([204, 'true']);
    expect((await api('GET', '/tenants/joined')).status).toBe(200);
    expect((await deletionsOf('joined')).length).toBe(1);
  });

  it('a deletion that reaches its decision after another one finished decides nothing', async () => {
    await createTenant('late');
    let isReached = false;
    let overtaken = false;
    // The result of its call that asks whether the tenant exists arrives when another deletion is done.
    const undo = await aroundCallsOf(directoryObject(), async (called, send) => {
      const result = await send();
      if (called !== 'describe') return result;
      isReached = true;
      while (!overtaken) await scheduler.wait(1);
      return result;
    });
    const late = api('DELETE', '/tenants/late');
    while (!isReached) await scheduler.wait(1);
    await undo();
    expect((await api('DELETE', '/tenants/late')).status).toBe(204);
    overtaken = true;
    expect((await late).status).toBe(404);
    expect((await deletionsOf('late')).length).toBe(1);
    expect(await sqlInDirectory("SELECT * FROM tenants WHERE id = 'late'")).toEqual([]);
  });
});

describe('a deletion with Idempotency-Key that found no tenant', () => {
  it('gets 404 again, and does not delete what was created since', async () => {
    const first = await api('DELETE', '/tenants/never', undefined, withKey('never'));
    await createTenant('never');
    const again = await api('DELETE', '/tenants/never', undefined, withKey('never'));
    expect([first.status, again.status, again.headers.get('Idempotency-Replayed')]).toEqual([404, 404, 'true']);
    expect((await api('GET', '/tenants/never')).status).toBe(200);
  });
});

type Namespace<T> = { idFromName(name: string): DurableObjectId; get(id: DurableObjectId): T };

/** A namespace whose calls of this method wait on their way to the object until they are released. */
function heldCalls<T extends object>(space: Namespace<T>, method: string) {
  let isReached = false;
  let isReleased = false;
  const hold =
    (send: (...args: unknown[]) => unknown) =>
    async (...args: unknown[]) => {
      isReached = true;
      while (!isReleased) await scheduler.wait(1);
      return send(...args);
    };
  const held: Namespace<T> = {
    idFromName: (name) => space.idFromName(name),
    get: (id) =>
      new Proxy(space.get(id), {
        get: (stub, property) => {
          const send: unknown = Reflect.get(stub, property);
          return property === method && typeof send === 'function' ? hold((...args) => send(...args)) : send;
        },
      }),
  };
  return {
    space: held,
    reached: async () => {
      while (!isReached) await scheduler.wait(1);
    },
    release: () => {
      isReleased = true;
    },
  };
}

describe('a late creation', () => {
  /**
   * Holds the directory's first confirmation to the tenant's object, which asks whether it may create, until it is
   * released.
   */
  async function heldConfirmation(id: string) {
    let isReached = false;
    let isReleased = false;
    await aroundCallsOf(await tenantObject(id), async (method, send) => {
      const result = await send();
      if (method !== 'confirm' || isReached) return result;
      isReached = true;
      while (!isReleased) await scheduler.wait(1);
      return result;
    });
    const reached = async () => {
      while (!isReached) await scheduler.wait(1);
    };
    const release = () => {
      isReleased = true;
    };
    return { reached, release };
  }

  const create = (id: string) =>
    api('POST', '/tenants', { id, settings: { leaseSeconds: 0 } }, withKey(`create-${id}`));

  const expectNone = async (id: string) => {
    expect(await sqlIn(id, "SELECT name FROM sqlite_master WHERE name = 'tenant'")).toEqual([]);
    expect(await sqlInDirectory('SELECT * FROM tenants WHERE id = ?', id)).toEqual([]);
    expect(await listed()).not.toContain(id);
  };

  it('after the tenant was deleted creates nothing', async () => {
    await createTenant('over');
    const [tenant] = await sqlIn('over', 'SELECT incarnation FROM tenant');
    expect((await api('DELETE', '/tenants/over')).status).toBe(204);
    const { env: counted } = faultyEnv();
    const ref = { tenantId: 'over', incarnation: String(tenant?.incarnation) };
    const late = command('op_late', { retry: true });
    const object = counted.TENANTS.get((await tenantObject('over')).id);
    const created = await object.create(ref, { name: 'late', settings: {} }, late);
    expect(created).toMatchObject({ ok: false, failure: { code: 'tenant_not_found' } });
    await expectNone('over');
  });

  it('that was confirmed before the tenant was deleted creates nothing', async () => {
    const held = await heldConfirmation('confirmed');
    const late = create('confirmed');
    await held.reached();
    expect((await create('confirmed')).status).toBe(201);
    expect((await api('DELETE', '/tenants/confirmed')).status).toBe(204);
    held.release();
    expect((await late).status).toBe(404);
    await expectNone('confirmed');
  });

  it('is refused if another copy of it was, even when it was confirmed before and the id is free', async () => {
    await createTenant('refused');
    const held = await heldConfirmation('refused');
    const late = create('refused');
    await held.reached();
    expect((await create('refused')).status).toBe(409);
    expect((await api('DELETE', '/tenants/refused')).status).toBe(204);
    held.release();
    expect((await late).status).toBe(409);
    await expectNone('refused');
    expect((await create('refused')).status).toBe(409);
  });

  it('gives every copy of a request one result when the id became free between them', async () => {
    await createTenant('copied', { name: 'first' });
    const body = { id: 'copied', name: 'second', settings: { leaseSeconds: 0 } };
    // One copy's creation is held up on its way to the object, the other one's refusal on its way to the directory.
    const creation = heldCalls(env.TENANTS, 'create');
    const refusal = heldCalls(env.DIRECTORY, 'refuse');
    const environments = [
      { ...env, TENANTS: creation.space },
      { ...env, DIRECTORY: refusal.space },
    ];
    const copies = environments.map((copy) => apiWith(copy, 'POST', '/tenants', body, withKey('copies')));
    await Promise.all([creation.reached(), refusal.reached()]);
    expect((await api('DELETE', '/tenants/copied')).status).toBe(204);
    creation.release();
    expect((await copies[0])?.status).toBe(201);
    refusal.release();
    const [one, other] = await Promise.all(copies);
    expect([other?.status, other?.body]).toEqual([201, one?.body]);
    expect(await listed()).toContain('copied');
    expect((await api('POST', '/tenants', body, withKey('copies'))).body).toEqual(one?.body);
  });

  it('repeats a creation that was given up long ago, and is not treated as abandoned', async () => {
    logged();
    const { env: faulty } = faultyEnv({ method: 'create', times: 9, when: 'before' });
    const body = { id: 'resumed', settings: { leaseSeconds: 0 } };
    expect((await apiWith(faulty, 'POST', '/tenants', body, withKey('create-resumed'))).status).toBe(503);
    advance(2 * 60 * 60 * 1000);
    const held = await heldConfirmation('resumed');
    const late = create('resumed');
    await held.reached();
    await listed();
    held.release();
    expect((await late).status).toBe(201);
    expect(await listed()).toContain('resumed');
  });
});

describe('a caller whose grant is for a tenant that is being deleted', () => {
  it('gets 404 when the deletion is over, though the next tenant of that id is listed already', async () => {
    await createTenant('next');
    const grant = await grantFor('next');
    // The next tenant is listed, but not created yet.
    const { env: faulty } = faultyEnv({ method: 'create', times: 9, when: 'before' });
    logged();
    expect((await apiWith(faulty, 'POST', '/tenants', { id: 'next' })).status).toBe(503);
    const { reached, release } = await heldAt('revokeKeys');
    const deletion = api('DELETE', '/tenants/next');
    await reached();
    while ((await sqlIn('next', "SELECT 1 FROM sqlite_master WHERE name = 'tenant'")).length > 0)
      await scheduler.wait(1);
    let isTold = false;
    const asked = api('GET', '/tenants/next', undefined, as(grant.secret)).finally(() => {
      isTold = true;
    });
    await scheduler.wait(100);
    expect(isTold).toBe(false);
    await release();
    expect((await deletion).status).toBe(204);
    expect((await asked).status).toBe(404);
  });
});

describe('the alarm of the directory', () => {
  it('is not postponed by creations', async () => {
    logged();
    await createTenant('waiting');
    const { secret } = await createKey('waiting');
    const undo = await failingAt(['destroy'], 'before');
    expect((await api('DELETE', '/tenants/waiting')).status).toBe(503);
    await undo();
    const dueAt = await directoryAlarmAt();
    for (let n = 0; n < 3; n++) {
      advance(4000);
      expect((await api('POST', '/tenants', { id: `every-${n}` }, withKey(`every-${n}`))).status).toBe(201);
      expect(await directoryAlarmAt()).toBe(dueAt);
    }
    await finishByAlarm('waiting');
    expect((await verify(secret)).code).toBe('NOT_FOUND');
  });

  it('finishes other deletions and purges old responses while one deletion always fails, and logs it', async () => {
    await createTenant('stuck');
    const [stuck] = await sqlIn('stuck', 'SELECT incarnation FROM tenant');
    await api('DELETE', '/tenants/nobody', undefined, withKey('old'));
    const lines = logged();
    const undoAll = await failingAt(['destroy'], 'before');
    await createTenant('finished');
    const { secret } = await createKey('finished');
    for (const id of ['stuck', 'finished']) expect((await api('DELETE', `/tenants/${id}`)).status).toBe(503);
    await undoAll();
    const undo = await failingAt(['destroy'], 'before', String(stuck?.incarnation));
    const untilAttempts = async (n: number) => {
      const attempts = () => sqlInDirectory("SELECT attempts FROM tenants WHERE id = 'stuck'");
      while ((await attempts())[0]?.attempts !== n) await scheduler.wait(10);
    };
    await finishByAlarm('finished');
    expect((await verify(secret)).code).toBe('NOT_FOUND');
    await untilAttempts(2);
    advance(25 * 60 * 60 * 1000);
    await runDirectoryAlarm();
    expect(await sqlInDirectory('SELECT * FROM idempotency WHERE created_at < ?', Date.now() - 24 * 3_600_000)).toEqual(
      [],
    );
    await untilAttempts(3);
    const said = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'deletion_not_finished');
    expect(said.length).toBeGreaterThan(2);
    expect(said.at(-1)).toMatchObject({ level: 'error', tenant: 'stuck', time: new Date().toISOString() });
    // Retries become rarer, but they never stop.
    expect(Number(await directoryAlarmAt()) - Date.now()).toBeLessThanOrEqual(600_000);
    await undo();
    await finishByAlarm('stuck');
  });

  it('runs each job even if another one fails', async () => {
    logged();
    await api('DELETE', '/tenants/nobody', undefined, withKey('kept a day'));
    advance(25 * 60 * 60 * 1000);
    const left = await runInDurableObject(directoryObject(), async (instance, { storage }) => {
      storage.sql.exec('ALTER TABLE tenants RENAME TO elsewhere');
      instance.alarm();
      storage.sql.exec('ALTER TABLE elsewhere RENAME TO tenants');
      return storage.sql
        .exec('SELECT count(*) AS n FROM idempotency WHERE created_at < ?', Date.now() - 86_400_000)
        .one();
    });
    expect(left).toEqual({ n: 0 });
    expect(await directoryAlarmAt()).not.toBeNull();
  });

  it('logs its failure and runs again', async () => {
    const lines = logged();
    await runInDurableObject(directoryObject(), async (instance, { storage }) => {
      storage.sql.exec('ALTER TABLE idempotency RENAME TO elsewhere');
      instance.alarm();
      storage.sql.exec('ALTER TABLE elsewhere RENAME TO idempotency');
    });
    const said = lines.map((line) => JSON.parse(line)).find(({ event }) => event === 'alarm_failed');
    expect(said).toMatchObject({ level: 'error', object: 'directory', time: new Date().toISOString() });
    expect(await directoryAlarmAt()).not.toBeNull();
  });
});

describe('a management key from before incarnations were recorded', () => {
  /** Makes the key as an earlier version did: its owner is only the tenant's id. */
  const makeOld = async (id: string) => {
    await sqlIn('_system', 'UPDATE keys SET owner = substr(owner, 1, instr(owner, ?) - 1) WHERE id = ?', '/', id);
    await restart(await tenantObject('_system'));
  };

  it('opens the tenant that existed when it was made, and is revoked with it', async () => {
    await createTenant('old');
    const grant = await grantFor('old');
    await makeOld(grant.id);
    expect((await api('GET', '/tenants/old', undefined, as(grant.secret))).status).toBe(200);
    expect((await api('DELETE', '/tenants/old')).status).toBe(204);
    // The test's clock stands still while the deletion waits for leases.
    advance(2000);
    expect((await api('GET', '/tenants/old', undefined, as(grant.secret))).status).toBe(401);
  });

  it('does not open a tenant that was created later, not even when it is rotated', async () => {
    await createTenant('older');
    const grant = await grantFor('older');
    await makeOld(grant.id);
    expect((await api('DELETE', '/tenants/older')).status).toBe(204);
    // Simulates that the revocation missed it, which could happen in an earlier version.
    await sqlIn(
      '_system',
      "UPDATE keys SET revoked_at = NULL, revoked_by = NULL, status = 'active', ended_at = NULL WHERE id = ?",
      grant.id,
    );
    await restart(await tenantObject('_system'));
    advance(2000);
    await createTenant('older');
    expect((await api('GET', '/tenants/older', undefined, as(grant.secret))).status).toBe(404);
    const rotate = `/management-keys/${grant.id}/rotate`;
    expect(await problemCode(api('POST', rotate, {}, as(grant.secret)))).toBe('tenant_not_found');
    expect(await problemCode(api('POST', rotate, {}))).toBe('tenant_not_found');
  });

  it("is bound to its tenant's incarnation when it is rotated", async () => {
    await createTenant('renewed');
    const grant = await grantFor('renewed');
    await makeOld(grant.id);
    const { body } = await api('POST', `/management-keys/${grant.id}/rotate`, {});
    const { key } = v.parse(v.object({ key: managementKeyWithSecret }), body);
    expect((await api('GET', '/tenants/renewed', undefined, as(key.secret))).status).toBe(200);
    const [tenant] = await sqlIn('renewed', 'SELECT incarnation FROM tenant');
    expect(await sqlIn('_system', 'SELECT owner FROM keys WHERE id = ?', key.id)).toEqual([
      { owner: `renewed/${tenant?.incarnation}` },
    ]);
  });
});

describe('a list of tenants', () => {
  it('names the tenants whose objects do not respond, and shows the others', async () => {
    logged();
    await createTenant('answers');
    await createTenant('silent');
    const name = (await tenantObject('silent')).id.toString();
    const broken = new Proxy(env.TENANTS, {
      get: (space, property) => {
        if (property !== 'get') return Reflect.get(space, property).bind(space);
        return (id: DurableObjectId) => {
          if (id.toString() === name) throw new Error('the network went away');
          return space.get(id);
        };
      },
    });
    const { status, body } = await apiWith({ ...env, TENANTS: broken }, 'GET', '/tenants?limit=100');
    expect(status).toBe(200);
    const { data, unavailable } = v.parse(
      v.object({ data: v.array(v.object({ id: v.string() })), unavailable: v.array(v.string()) }),
      body,
    );
    expect(unavailable).toEqual(['silent']);
    expect(data.map(({ id }) => id)).toContain('answers');
    expect((await api('GET', '/tenants?limit=100')).body).not.toHaveProperty('unavailable');
  });
});

describe('reading a tenant', () => {
  it('calls the directory only where the isolate does not know the tenant, which it forgets again', async () => {
    await createTenant('known');
    const { env: isolate, calls } = faultyEnv();
    const ask = async (id: string) => {
      calls.length = 0;
      const { status } = await apiWith(isolate, 'GET', `/tenants/${id}`);
      return [status, ...calls];
    };
    expect(await ask('known')).toEqual([200, 'mayExist', 'describe']);
    expect(await ask('known')).toEqual([200, 'describe']);
    expect(await ask('unknown')).toEqual([404, 'mayExist']);
    await api('DELETE', '/tenants/known');
    expect(await ask('known')).toEqual([404, 'describe', 'awaitDeletions']);
    expect(await ask('known')).toEqual([404, 'mayExist']);
  });
});
