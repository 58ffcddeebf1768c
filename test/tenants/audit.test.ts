/** Audit: one entry for each mutation, in one order, found by every filter. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { auditEntry } from '../../src/schemas/audit.ts';
import { api, createKey, createTenant, deleteKey, revokeKey, rotateKey, updateKey, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { sqlIn } from '../support/objects.ts';

pretendTime();

const audit = async (tenantId: string, query = '') =>
  (await walk(`/tenants/${tenantId}/audit?limit=2${query}`)).map((entry) => v.parse(auditEntry, entry));
const actions = async (tenantId: string, query = '') => (await audit(tenantId, query)).map((entry) => entry.action);

describe('the audit log', () => {
  it('has one entry for each mutation, newest first, and none for what changed nothing', async () => {
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

  it('says which request and from where', async () => {
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

  it('filters by action, key, actor and time, alone and together', async () => {
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
    expect(await actions('filter', `&since=${at(START + 2000)}`)).toEqual(['key.revoke']);
    expect(await actions('filter', `&until=${at(START + 1000)}`)).toEqual(['key.create', 'tenant.create']);
    expect(await actions('filter', `&since=${at(START + 1000)}&until=${at(START + 2000)}`)).toEqual([
      'key.rotate',
      'key.create',
    ]);
  });

  it('stays in one order when the clock steps back', async () => {
    await createTenant('clock');
    const first = await createKey('clock');
    advance(-60_000);
    const second = await createKey('clock');
    expect((await audit('clock')).map((entry) => entry.keyId).slice(0, 2)).toEqual([second.id, first.id]);
  });

  it('holds nothing of a key string', async () => {
    await createTenant('silent');
    const key = await createKey('silent');
    await rotateKey('silent', key.id);
    const stored = JSON.stringify(await sqlIn('silent', 'SELECT * FROM audit'));
    expect(stored).not.toContain(key.secret.slice(3, 40));
  });
});

describe('an answer that is lost after the commit', () => {
  const lost = (method: string) => faultyEnv({ method, times: 1, when: 'after', retryable: true });

  it('is asked for again and applied once, with one audit entry, for every mutation', async () => {
    await createTenant('once');
    const made = await apiWith(lost('createKeys').env, 'POST', '/tenants/once/keys', { name: 'k' });
    expect(made.status).toBe(201);
    const { id } = v.parse(v.object({ id: v.string() }), made.body);
    const key = `/tenants/once/keys/${id}`;
    const answers = [
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
    expect(answers.map((answer) => answer.status)).toEqual([
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
