/** ETag and If-Match, paging by offset, reveal, and watching rotations. */
import * as v from 'valibot';
import { describe, expect, it, vi } from 'vitest';
import { rotationList } from '../../src/api/rotations/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  getKey,
  problemCode,
  revokeKey,
  rotateKey,
  verify,
  walk,
} from '../support/api.ts';
import { advance, at, hurryTimers, pretendTime, START } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

describe('If-Match', () => {
  it('allows a change only of the version that the caller saw', async () => {
    await createTenant('match');
    const key = await createKey('match');
    const path = `/tenants/match/keys/${key.id}`;
    const read = await api('GET', path);
    expect(read.headers.get('ETag')).toBe('"1"');
    const changed = await api('PATCH', path, { name: 'two' }, { 'If-Match': '"1"' });
    expect([changed.status, changed.headers.get('ETag')]).toEqual([200, '"2"']);
    for (const [method, where] of [
      ['PATCH', path],
      ['POST', `${path}/rotate`],
      ['POST', `${path}/revoke`],
      ['POST', `${path}/rotation/complete`],
      ['POST', `${path}/rotation/cancel`],
      ['DELETE', path],
    ] as const) {
      for (const tag of ['"1"', 'W/"2"', 'nonsense', '"x"']) {
        const body = method === 'DELETE' ? undefined : {};
        expect(await problemCode(api(method, where, body, { 'If-Match': tag })), `${method} ${where} ${tag}`).toBe(
          'precondition_failed',
        );
      }
    }
    expect(await getKey('match', key.id)).toMatchObject({ version: 2, name: 'two', status: 'active' });
    expect((await api('PATCH', path, { name: 'three' }, { 'If-Match': '"7", "2"' })).status).toBe(200);
    expect((await api('PATCH', path, { name: 'four' }, { 'If-Match': '*' })).status).toBe(200);
    expect((await api('DELETE', path, undefined, { 'If-Match': '"4"' })).status).toBe(204);
    expect((await api('DELETE', path, undefined, { 'If-Match': '"4"' })).status).toBe(404);
  });

  it('allows one of two changes of the same version', async () => {
    await createTenant('match-two');
    const key = await createKey('match-two');
    const patch = (name: string) => api('PATCH', `/tenants/match-two/keys/${key.id}`, { name }, { 'If-Match': '"1"' });
    const responses = await Promise.all([patch('a'), patch('b')]);
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 412]);
  });
});

describe('paging by offset', () => {
  it('returns pages with a total, and cannot be combined with a cursor', async () => {
    await createTenant('offset');
    for (let i = 0; i < 5; i++) await createKey('offset', { owner: i < 2 ? 'o' : 'p' });
    const all = await walk('/tenants/offset/keys?limit=100');
    const page = async (query: string) => (await api('GET', `/tenants/offset/keys?${query}`)).body;
    expect(await page('offset=0&limit=2')).toMatchObject({
      data: all.slice(0, 2),
      page: { limit: 2, offset: 0, total: 5, hasMore: true },
    });
    expect(await page('offset=4&limit=2')).toMatchObject({ data: all.slice(4), page: { total: 5, hasMore: false } });
    expect(await page('offset=9')).toMatchObject({ data: [], page: { total: 5, hasMore: false } });
    expect(await page('offset=1&limit=1&owner=o&order=asc')).toMatchObject({
      data: [all[3]],
      page: { total: 2, hasMore: false },
    });
    const { headers } = await api('GET', '/tenants/offset/keys?offset=0&limit=2');
    expect(headers.get('Link')).toBe('</v1/tenants/offset/keys?offset=2&limit=2>; rel="next"');
    for (const query of ['offset=0&cursor=x', 'offset=-1', 'offset=1.5', 'offset=9990&limit=11', 'offset=99999']) {
      expect(await problemCode(api('GET', `/tenants/offset/keys?${query}`)), query).toBe('validation_failed');
    }
  });

  it('has a total that follows creation, deletion and purge', async () => {
    await createTenant('offset-count', { settings: { retentionSeconds: 10 } });
    const key = await createKey('offset-count');
    const gone = await createKey('offset-count');
    await createKey('offset-count');
    await api('DELETE', `/tenants/offset-count/keys/${gone.id}`);
    await revokeKey('offset-count', key.id);
    const total = async () => (await api('GET', '/tenants/offset-count/keys?offset=0')).body;
    expect(await total()).toMatchObject({ page: { total: 2 } });
    advance(10_000);
    await runDueAlarm('offset-count');
    expect(await total()).toMatchObject({ page: { total: 1 } });
  });
});

describe('reveal', () => {
  it('returns the key string when the tenant allows it, and every attempt is audited', async () => {
    await createTenant('reveal', { settings: { allowReveal: true } });
    const key = await createKey('reveal', { prefix: 'acme_live' });
    const reveal = (id: string) => api('POST', `/tenants/reveal/keys/${id}/reveal`);
    const shown = await reveal(key.id);
    expect([shown.status, shown.body]).toEqual([200, { secret: key.secret }]);
    expect(shown.headers.get('Cache-Control')).toBe('no-store');
    await api('PATCH', '/tenants/reveal', { settings: { allowReveal: false } });
    expect(await problemCode(reveal(key.id))).toBe('not_recoverable');
    const entries = await walk('/tenants/reveal/audit?action=key.reveal');
    expect(entries.map((entry) => entry.changes)).toEqual([{ revealed: false }, { revealed: true }]);
    expect(await problemCode(reveal(`key_${'0'.repeat(17)}`))).toBe('key_not_found');
  });

  it('finds nothing after a tenant switched to digests only, which deletes the stored envelopes', async () => {
    await createTenant('shed', { settings: { allowReveal: true } });
    const key = await createKey('shed');
    await createKey('shed');
    await api('PATCH', '/tenants/shed', { settings: { storage: 'digest' } });
    expect(await problemCode(api('POST', `/tenants/shed/keys/${key.id}/reveal`))).toBe('not_recoverable');
    await runDueAlarm('shed');
    expect(await sqlIn('shed', 'SELECT envelope, sealing_key_id FROM keys')).toEqual(
      Array.from({ length: 2 }, () => ({ envelope: null, sealing_key_id: null })),
    );
    expect((await api('GET', '/tenants/shed/encryption')).body).toMatchObject({ envelopes: {}, signatures: { 1: 2 } });
    expect(await runDueAlarm('shed')).toBe(false);
    expect((await verify(key.secret)).code).toBe('VALID');
  });
});

describe('rotations', () => {
  const rotations = async (tenantId: string, query = '') =>
    v.parse(rotationList, (await api('GET', `/tenants/${tenantId}/rotations${query}`)).body).data;

  it('show whether the successor is in use', async () => {
    await createTenant('watch');
    const key = await createKey('watch');
    advance(60_000);
    const { key: successor } = await rotateKey('watch', key.id, { gracePeriodSeconds: 600 });
    await verify(key.secret);
    expect(await rotations('watch')).toEqual([
      {
        id: successor.id.replace('key_', 'rot_'),
        predecessor: key.id,
        successor: successor.id,
        rotatedAt: at(START + 60_000),
        graceEndsAt: at(START + 660_000),
        endedAt: null,
        state: 'grace',
        by: { type: 'admin_token', id: 'admin' },
        successorFirstUsedAt: null,
        predecessorLastUsedAt: at(START + 60_000),
      },
    ]);
    advance(1234);
    await verify(successor.secret);
    advance(90_000);
    await verify(successor.secret);
    expect((await rotations('watch'))[0]?.successorFirstUsedAt).toBe(at(START + 61_234));
    await vi.waitFor(
      async () => {
        const [row] = await sqlIn('watch', 'SELECT successor_first_used_at AS at FROM rotations');
        expect(row?.at).toBe(START + 61_234);
      },
      { timeout: 20_000, interval: 100 },
    );
    await evict('watch');
    expect((await rotations('watch'))[0]?.successorFirstUsedAt).toBe(at(START + 61_234));
    advance(600_000);
    expect(await rotations('watch', '?state=grace')).toEqual([]);
    expect((await rotations('watch', '?state=completed'))[0]?.endedAt).toBe(at(START + 660_000));
  });

  it('end early when completed: the old key stops working at once', async () => {
    await createTenant('complete');
    const key = await createKey('complete');
    const { key: successor } = await rotateKey('complete', key.id);
    advance(1000);
    const path = `/tenants/complete/keys/${key.id}/rotation/complete`;
    expect((await api('POST', path)).body).toMatchObject({
      status: 'rotated',
      rotation: { graceEndsAt: at(START + 1000) },
    });
    expect((await api('POST', path)).status).toBe(200);
    expect((await verify(key.secret)).code).toBe('ROTATED');
    expect((await verify(successor.secret)).code).toBe('VALID');
    expect(await rotations('complete')).toMatchObject([{ state: 'completed', endedAt: at(START + 1000) }]);
    expect(await problemCode(api('POST', `/tenants/complete/keys/${successor.id}/rotation/complete`))).toBe(
      'key_not_rotating',
    );
    expect((await walk('/tenants/complete/audit?action=key.rotation_complete')).length).toBe(1);
  });

  it('can be cancelled: the successor is revoked, the old key is active and can be rotated again', async () => {
    await createTenant('cancel');
    const key = await createKey('cancel');
    const { key: successor } = await rotateKey('cancel', key.id);
    const path = `/tenants/cancel/keys/${key.id}/rotation/cancel`;
    const { body } = await api('POST', path);
    expect(body).toMatchObject({
      status: 'active',
      rotation: { replacedBy: null, graceEndsAt: null, rotatedAt: null },
    });
    expect((await verify(successor.secret)).code).toBe('REVOKED');
    const { code, warnings } = await verify(key.secret);
    expect([code, warnings]).toEqual(['VALID', []]);
    expect(await problemCode(api('POST', path))).toBe('key_not_rotating');
    const { key: second } = await rotateKey('cancel', key.id);
    expect((await rotations('cancel')).map(({ successor: id, state }) => [id, state])).toEqual([
      [second.id, 'grace'],
      [successor.id, 'cancelled'],
    ]);
    expect((await rotations('cancel', '?state=cancelled')).length).toBe(1);
  });

  it('cannot be cancelled after the successor was rotated, or when grace is over', async () => {
    await createTenant('too-late');
    const key = await createKey('too-late');
    const { key: second } = await rotateKey('too-late', key.id, { gracePeriodSeconds: 60 });
    await rotateKey('too-late', second.id);
    const path = `/tenants/too-late/keys/${key.id}/rotation/cancel`;
    expect(await problemCode(api('POST', path))).toBe('successor_rotated');
    advance(60_000);
    expect(await problemCode(api('POST', path))).toBe('key_not_rotating');
  });

  it('are deleted with their predecessor', async () => {
    await createTenant('purged', { settings: { retentionSeconds: 10 } });
    const key = await createKey('purged');
    await rotateKey('purged', key.id, { gracePeriodSeconds: 0 });
    const other = await createKey('purged');
    await rotateKey('purged', other.id);
    await api('DELETE', `/tenants/purged/keys/${other.id}`);
    expect((await rotations('purged')).length).toBe(1);
    advance(10_000);
    await runDueAlarm('purged');
    expect(await rotations('purged')).toEqual([]);
  });
});
