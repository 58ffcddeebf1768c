/** The audit log: one entry for each mutation, in one order, found by every filter. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { auditEntry } from '../../src/api/audit/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  getKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  walk,
} from '../support/api.ts';
import { as, managementKey } from '../support/callers.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const audit = async (tenantId: string, query = '') =>
  (await walk(`/tenants/${tenantId}/audit?limit=2${query}`)).map((entry) => v.parse(auditEntry, entry));
const actions = async (tenantId: string, query = '') => (await audit(tenantId, query)).map((entry) => entry.action);

describe('the audit log', () => {
  it('has one entry for each mutation, newest first, and none for a request that changed nothing', async () => {
    await createTenant('log');
    const key = await createKey('log', { name: 'before' });
    advance(1000);
    await updateKey('log', key.id, { name: 'after', expiresAt: at(START + 9000), metadata: { a: 'b' } });
    await updateKey('log', key.id, { name: 'after' });
    await updateKey('log', key.id, {});
    await rotateKey('log', key.id);
    await revokeKey('log', key.id, { reason: 'leaked' });
    await revokeKey('log', key.id);
    await deleteKey('log', key.id);
    await api('GET', `/tenants/log/keys/${key.id}`);
    await api('POST', `/tenants/log/keys/${key.id}/rotate`);
    const entries = await audit('log');
    expect(entries.map((entry) => entry.action)).toEqual([
      'key.delete',
      'key.revoke',
      'key.rotate',
      'key.update',
      'key.create',
      'tenant.create',
    ]);
    expect(entries[3]).toMatchObject({
      at: at(START + 1000),
      actor: { type: 'admin_token', id: 'admin' },
      keyId: key.id,
      changes: {
        name: { from: 'before', to: 'after' },
        expiresAt: { from: null, to: at(START + 9000) },
        metadata: 'changed',
      },
    });
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(entries.length);
  });

  it("records the request's id and its origin", async () => {
    await createTenant('whence');
    await api(
      'POST',
      '/tenants/whence/keys',
      { name: 'k' },
      { 'X-Request-Id': 'trace-7', 'CF-Connecting-IP': '203.0.113.9' },
    );
    const [entry] = await audit('whence');
    expect(entry).toMatchObject({ requestId: 'trace-7', ip: '203.0.113.9' });
  });

  it('can be filtered by action, key, actor and time, alone and combined', async () => {
    await createTenant('filter');
    const a = await createKey('filter');
    advance(1000);
    const b = await createKey('filter');
    const { key: successor } = await rotateKey('filter', b.id);
    advance(1000);
    await revokeKey('filter', a.id);
    expect(await actions('filter', '&action=key.create')).toEqual(['key.create', 'key.create']);
    expect(await actions('filter', `&keyId=${a.id}`)).toEqual(['key.revoke', 'key.create']);
    expect(await actions('filter', `&keyId=${successor.id}`)).toEqual(['key.rotate']);
    expect(await actions('filter', `&keyId=${b.id}&action=key.rotate`)).toEqual(['key.rotate']);
    expect((await actions('filter', '&actor=admin')).length).toBe(5);
    expect(await actions('filter', '&actor=nobody')).toEqual([]);
    expect(await actions('filter', '&action=key.delete')).toEqual([]);
    for (const action of ['key.creat', 'key.purge', 'KEY.CREATE', '']) {
      expect(await problemCode(api('GET', `/tenants/filter/audit?action=${action}`)), action).toBe('validation_failed');
    }
    expect(await actions('filter', `&since=${at(START + 2000)}`)).toEqual(['key.revoke']);
    expect(await actions('filter', `&until=${at(START + 1000)}`)).toEqual(['key.create', 'tenant.create']);
    expect(await actions('filter', `&since=${at(START + 1000)}&until=${at(START + 2000)}`)).toEqual([
      'key.rotate',
      'key.create',
    ]);
  });

  it('keeps its order when the clock is set back', async () => {
    await createTenant('clock');
    const first = await createKey('clock');
    advance(-60_000);
    const second = await createKey('clock');
    expect((await audit('clock')).map((entry) => entry.keyId).slice(0, 2)).toEqual([second.id, first.id]);
  });

  it('contains nothing of a key string', async () => {
    await createTenant('silent');
    const key = await createKey('silent');
    await rotateKey('silent', key.id);
    const stored = JSON.stringify(await sqlIn('silent', 'SELECT * FROM audit'));
    expect(stored).not.toContain(key.secret.slice(3, 40));
  });
});

describe('the person for whom a caller acts', () => {
  const header = (text: string) => ({ 'X-On-Behalf-Of': text });
  const create = (tenantId: string, headers: Readonly<Record<string, string>>) =>
    api('POST', `/tenants/${tenantId}/keys`, { name: 'k' }, headers);

  it('is recorded in every entry of the request, and entries can be filtered by it', async () => {
    await createTenant('behalf');
    const names = ['Zoë Müller (support) 100 %', 'ops@example.com', '李雷 🔑'];
    for (const name of names) {
      expect((await create('behalf', header(encodeURIComponent(name)))).status).toBe(201);
      const filter = `&onBehalfOf=${encodeURIComponent(name)}`;
      expect(await audit('behalf', filter)).toMatchObject([{ action: 'key.create', onBehalfOf: name }]);
      expect(await actions('behalf', `${filter}&action=key.create&actor=admin`)).toEqual(['key.create']);
      expect(await actions('behalf', `${filter}&action=key.revoke`)).toEqual([]);
    }
    await create('behalf', header('plain words, and (signs)!'));
    const [entry] = await audit('behalf');
    expect(entry?.onBehalfOf).toBe('plain words, and (signs)!');
    await createKey('behalf');
    expect((await audit('behalf'))[0]).not.toHaveProperty('onBehalfOf');
    const keys = await walk('/tenants/behalf/keys');
    const ids = keys.map(({ id }) => id);
    await api('POST', '/tenants/behalf/keys/revoke', { ids }, header('the whole team'));
    expect((await actions('behalf', '&onBehalfOf=the whole team')).length).toBe(ids.length);
    await api('DELETE', '/tenants/behalf', undefined, header('the last one'));
    expect(await walk('/audit?onBehalfOf=the last one')).toMatchObject([{ action: 'tenant.delete' }]);
  });

  it('must be short and printable, or the request is refused before anything is done', async () => {
    await createTenant('behalf-not');
    for (const text of [
      '',
      '%20',
      '%',
      '%zz',
      '%ff',
      'a%0Ab',
      '%00',
      '%EF%BF%BF',

      'x'.repeat(201),
      'x'.repeat(9999),
    ]) {
      const response = await create('behalf-not', header(text));
      expect([response.status, response.body], text).toMatchObject([
        422,
        { code: 'validation_failed', errors: [{ path: 'X-On-Behalf-Of' }] },
      ]);
    }
    expect(await actions('behalf-not')).toEqual(['tenant.create']);
    expect((await create('behalf-not', header('%E6%9D%8E'.repeat(200)))).status).toBe(201);
    expect(await problemCode(api('GET', `/tenants/behalf-not/audit?onBehalfOf=${'x'.repeat(201)}`))).toBe(
      'validation_failed',
    );
  });

  it("is part of the request hash, so that nobody gets the response to another person's request", async () => {
    await createTenant('behalf-once');
    const ask = (name: string | null) =>
      create('behalf-once', { 'Idempotency-Key': 'k', ...(name === null ? {} : header(name)) });
    const first = await ask('anna');
    expect(first.status).toBe(201);
    expect((await ask('anna')).body).toEqual(first.body);
    expect(await problemCode(ask('bert'))).toBe('idempotency_key_reused');
    expect(await problemCode(ask(null))).toBe('idempotency_key_reused');
  });
});

describe('who created and who revoked a key', () => {
  const ADMIN = { type: 'admin_token', id: 'admin' };

  /** Returns what the key itself and its log say about its end. */
  async function endOf(tenantId: string, keyId: string) {
    const { revokedBy } = await getKey(tenantId, keyId);
    const [last] = await audit(tenantId, `&keyId=${keyId}`);
    return { revokedBy, actor: last?.actor, action: last?.action, onBehalfOf: last?.onBehalfOf };
  }

  it('is recorded in the key and in its log, however it was revoked', async () => {
    await createTenant('who', { settings: { retentionSeconds: 1_000_000 } });
    const caller = await managementKey({ role: 'operator' });
    const actor = { type: 'management_key', id: caller.id };
    const headers = { ...as(caller.secret), 'X-On-Behalf-Of': 'anna' };
    const post = (path: string, body: object = {}) => api('POST', `/tenants/who/keys${path}`, body, headers);
    const made = v.parse(v.object({ id: v.string() }), (await post('', { name: 'k' })).body);
    expect(await getKey('who', made.id)).toMatchObject({ createdBy: actor, revokedBy: null });
    const [single, byId, byOwner, first] = [
      await createKey('who'),
      await createKey('who'),
      await createKey('who', { owner: 'leaver' }),
      await createKey('who'),
    ];
    expect(single.createdBy).toEqual(ADMIN);
    const { key: second } = await rotateKey('who', first.id);
    const { key: third } = await rotateKey('who', second.id);
    const rotated = await createKey('who');
    const { key: cancelled } = await rotateKey('who', rotated.id);
    expect((await post(`/${single.id}/revoke`)).status).toBe(200);
    expect((await post('/revoke', { ids: [byId.id] })).status).toBe(200);
    expect((await post('/revoke', { owner: 'leaver' })).status).toBe(200);
    expect((await post(`/${second.id}/revoke`, { lineage: true })).status).toBe(200);
    expect((await post(`/${rotated.id}/rotation/cancel`)).status).toBe(200);
    const how = { revokedBy: actor, actor, onBehalfOf: 'anna' };
    for (const key of [single, byId, byOwner, first, second, third]) {
      expect(await endOf('who', key.id)).toEqual({ ...how, action: 'key.revoke' });
    }
    // Cancelling a rotation revokes its successor, and the successor's log says so.
    expect(await endOf('who', cancelled.id)).toEqual({ ...how, action: 'key.rotation_cancel' });
    expect(await getKey('who', rotated.id)).toMatchObject({ status: 'active', revokedBy: null });
    // A key that is revoked already stays as it is.
    await revokeKey('who', single.id);
    expect((await getKey('who', single.id)).revokedBy).toEqual(actor);
  });

  it('is reported for large groups too, before the alarm has written it and after', async () => {
    await createTenant('who-many', { settings: { retentionSeconds: 1_000_000 } });
    const caller = await managementKey({ role: 'operator' });
    const actor = { type: 'management_key', id: caller.id };
    const headers = { ...as(caller.secret), 'X-On-Behalf-Of': 'anna' };
    const bulk = async (input: object) => {
      const keys = Array.from({ length: 210 }, () => ({ name: 'k', ...input }));
      const { body } = await api('POST', '/tenants/who-many/keys/bulk', { keys });
      return v.parse(v.object({ data: v.array(v.object({ id: v.string() })) }), body).data.map(({ id }) => id);
    };
    const ofOwner = await bulk({ owner: 'leaver' });
    const ofLineage = await bulk({});
    const root = ofLineage[0] ?? '';
    await sqlIn('who-many', 'UPDATE keys SET lineage = ? WHERE owner IS NULL', root);
    await api('POST', '/tenants/who-many/keys/revoke', { owner: 'leaver' }, headers);
    await api('POST', `/tenants/who-many/keys/${ofLineage[7]}/revoke`, { lineage: true, reason: 'leaked' }, headers);
    const how = { revokedBy: actor, actor, onBehalfOf: 'anna' };
    const some = (ids: readonly string[]) => [ids[0] ?? '', ids[100] ?? '', ids[209] ?? ''];
    for (const id of some(ofOwner)) expect(await endOf('who-many', id)).toEqual({ ...how, action: 'key.revoke_owner' });
    for (const id of some(ofLineage)) expect(await endOf('who-many', id)).toEqual({ ...how, action: 'key.revoke' });
    for (let pass = 0; pass < 5; pass++) {
      advance(1000);
      await runDueAlarm('who-many');
    }
    expect(await sqlIn('who-many', 'SELECT * FROM group_revocations')).toEqual([]);
    for (const id of [...some(ofOwner), ...some(ofLineage), ofLineage[7] ?? '']) {
      expect(await endOf('who-many', id)).toEqual({ ...how, action: 'key.revoke' });
    }
  });

  it('is recorded for management keys, which are revoked with their tenant', async () => {
    await createTenant('who-tenant');
    const deleter = await managementKey({ role: 'admin' });
    const confined = await managementKey({ role: 'operator', tenantId: 'who-tenant' });
    expect(confined).toMatchObject({ createdBy: ADMIN, revokedBy: null });
    const headers = { ...as(deleter.secret), 'X-On-Behalf-Of': 'anna' };
    expect((await api('DELETE', '/tenants/who-tenant', undefined, headers)).status).toBe(204);
    const actor = { type: 'management_key', id: deleter.id };
    expect((await api('GET', `/management-keys/${confined.id}`)).body).toMatchObject({ revokedBy: actor });
    const [last] = await audit('_system', `&keyId=${confined.id}`);
    expect(last).toMatchObject({ action: 'key.revoke', actor, onBehalfOf: 'anna' });
  });
});

describe('a response that is lost after the commit', () => {
  const lost = (method: string) => faultyEnv({ method, times: 1, when: 'after', retryable: true });

  it('is requested again: every mutation takes effect once and has its audit entries once', async () => {
    await createTenant('once');
    const made = await apiWith(lost('createKeys').env, 'POST', '/tenants/once/keys', { name: 'k' });
    expect(made.status).toBe(201);
    const { id } = v.parse(v.object({ id: v.string() }), made.body);
    const key = `/tenants/once/keys/${id}`;
    const responses = [
      await apiWith(lost('updateKey').env, 'PATCH', key, { name: 'renamed' }),
      await apiWith(lost('rotateKey').env, 'POST', `${key}/rotate`),
      await apiWith(lost('cancelRotation').env, 'POST', `${key}/rotation/cancel`),
      await apiWith(lost('rotateKey').env, 'POST', `${key}/rotate`),
      await apiWith(lost('completeRotation').env, 'POST', `${key}/rotation/complete`),
      await apiWith(lost('createKeys').env, 'POST', '/tenants/once/keys/bulk', { keys: [{ name: 'a', owner: 'o' }] }),
      await apiWith(lost('revokeKeys').env, 'POST', '/tenants/once/keys/revoke', { owner: 'o' }),
      await apiWith(lost('revealKey').env, 'POST', `${key}/reveal`),
      await apiWith(lost('revokeKey').env, 'POST', `${key}/revoke`),
      await apiWith(lost('deleteKey').env, 'DELETE', key),
      await apiWith(lost('update').env, 'PATCH', '/tenants/once', { name: 'renamed' }),
      await apiWith(lost('runCleanup').env, 'POST', '/tenants/once/cleanup'),
    ];
    expect(responses.map((response) => response.status)).toEqual([
      200, 201, 200, 201, 200, 201, 200, 409, 200, 204, 200, 200,
    ]);
    expect((await actions('once')).toReversed()).toEqual([
      'tenant.create',
      'key.create',
      'key.update',
      'key.rotate',
      'key.rotation_cancel',
      'key.rotate',
      'key.rotation_complete',
      'key.create',
      'key.revoke_owner',
      'key.revoke',
      'key.reveal',
      'key.revoke',
      'key.delete',
      'tenant.update',
      'cleanup.run',
    ]);
    expect((await walk('/tenants/once/keys')).length).toBe(3);
  });
});
