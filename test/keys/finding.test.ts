/**
 * Finding keys among many: statuses, searching, pages by offset, counts. Each request takes a bounded number of steps,
 * whatever its filters.
 */
import { runInDurableObject } from 'cloudflare:test';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { KEY_STATUSES, type KeyTimes } from '../../domain/keys/record.ts';
import { STATUS_SQL, statusOf } from '../../domain/keys/status.ts';
import { KeyTable } from '../../durable-objects/tenant/keys/key-table.ts';
import { OFFSET_REACH } from '../../durable-objects/tenant/keys/list.ts';
import { LAGGING_MAX, SMALL_SET_MAX, STEP_WORK_MAX } from '../../durable-objects/tenant/keys/scan.ts';
import { LOOKED_AT_MAX } from '../../durable-objects/tenant/keys/status-counts.ts';
import { STATUS_COUNTS_MIGRATION } from '../../durable-objects/tenant/keys/stored-counts.ts';
import { keyListByOffset } from '../../src/api/keys/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  walk,
} from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { runDueAlarm, sqlIn, tenantObject } from '../support/objects.ts';
import { multiply, recount } from '../support/rows.ts';

pretendTime();

const ids = (rows: readonly { id?: unknown }[]) => rows.map((row) => row.id);
const KEEPING = { settings: { retentionSeconds: 1_000_000 } };

async function byOffset(path: string): Promise<v.InferOutput<typeof keyListByOffset>> {
  const { status, body } = await api('GET', path);
  expect(status, JSON.stringify(body)).toBe(200);
  return v.parse(keyListByOffset, body);
}

const counts = async (tenantId: string) => (await api('GET', `/tenants/${tenantId}/keys/counts`)).body;

describe('the status computed in SQL', () => {
  it('equals the status that verification computes, in every case', async () => {
    await createTenant('status-sql');
    const times = [null, 999, 1000, 1001];
    await runInDurableObject(await tenantObject('status-sql'), (_, { storage }) => {
      for (const revokedAt of times)
        for (const graceEndsAt of times)
          for (const expiresAt of times)
            for (const enabled of [true, false]) {
              const key: KeyTimes = { revokedAt, graceEndsAt, expiresAt, enabled };
              const row = `SELECT ? AS revoked_at, ? AS grace_ends_at, ? AS expires_at, ? AS enabled`;
              const { status } = storage.sql
                .exec(
                  `SELECT ${STATUS_SQL} AS status FROM (${row})`,
                  ...[1000, 1000, revokedAt, graceEndsAt, expiresAt, enabled ? 1 : 0],
                )
                .one();
              expect(status, JSON.stringify(key)).toBe(statusOf(key, 1000));
            }
    });
  });
});

describe('a list of several statuses', () => {
  it('has the keys that have any of them now, in one order', async () => {
    await createTenant('several', KEEPING);
    const expiring = await createKey('several', { expiresAt: at(START + 5000) });
    const disabled = await createKey('several', { enabled: false });
    const rotating = await createKey('several');
    const { key: active } = await rotateKey('several', rotating.id, { gracePeriodSeconds: 60 });
    const revoked = await createKey('several');
    await revokeKey('several', revoked.id);
    const list = async (status: string) => ids(await walk(`/tenants/several/keys?limit=2&status=${status}`));
    expect(await list('active,rotating')).toEqual([active.id, rotating.id, expiring.id]);
    expect(await list('rotating,active')).toEqual([active.id, rotating.id, expiring.id]);
    expect(await list('disabled,revoked')).toEqual([revoked.id, disabled.id]);
    advance(5000);
    expect(await list('disabled,expired')).toEqual([disabled.id, expiring.id]);
    advance(60_000);
    expect(await list('rotated,expired')).toEqual([rotating.id, expiring.id]);
    expect(await list(KEY_STATUSES.join())).toEqual(
      [revoked, active, rotating, disabled, expiring].map(({ id }) => id),
    );
  });

  it('can be continued with the statuses named in any order, but not with other statuses', async () => {
    await createTenant('several-cursor');
    for (let i = 0; i < 3; i++) await createKey('several-cursor');
    const path = '/tenants/several-cursor/keys?limit=1';
    const { body } = await api('GET', `${path}&status=active,rotating`);
    const { nextCursor } = (body as { page: { nextCursor: string } }).page;
    expect((await api('GET', `${path}&status=rotating,active&cursor=${nextCursor}`)).status).toBe(200);
    expect(await problemCode(api('GET', `${path}&status=active&cursor=${nextCursor}`))).toBe('invalid_cursor');
  });

  it('is complete even for keys whose stored status is out of date', async () => {
    await createTenant('rare', KEEPING);
    const off = await createKey('rare', { enabled: false });
    await createKey('rare', { name: 'hay' });
    await multiply('rare', 2 * STEP_WORK_MAX);
    const late = await createKey('rare', { expiresAt: at(START + 1000) });
    const end = await createKey('rare');
    await revokeKey('rare', end.id);
    await recount('rare');
    advance(1000);
    for (const order of ['asc', 'desc']) {
      const wanted = [off.id, late.id, end.id];
      for (const limit of [1, 2, 100]) {
        const path = `/tenants/rare/keys?status=disabled,expired,revoked&order=${order}&limit=${limit}`;
        expect(ids(await walk(path))).toEqual(order === 'asc' ? wanted : wanted.toReversed());
      }
    }
    // One page is enough: only matching rows are read.
    expect((await api('GET', '/tenants/rare/keys?status=disabled')).body).toMatchObject({
      data: [{ id: off.id }],
      page: { hasMore: false },
    });
    await runDueAlarm('rare');
    expect(ids(await walk('/tenants/rare/keys?status=expired'))).toEqual([late.id]);
  });

  it('includes a revocation by owner that is not yet written into the rows', async () => {
    await createTenant('owner-pending', KEEPING);
    await createKey('owner-pending', { owner: 'o' });
    await multiply('owner-pending', 1500);
    await recount('owner-pending');
    const other = await createKey('owner-pending', { owner: 'p' });
    expect((await api('POST', '/tenants/owner-pending/keys/revoke', { owner: 'o' })).status).toBe(200);
    expect((await walk('/tenants/owner-pending/keys?status=revoked,rotated&limit=100')).length).toBe(1501);
    expect(ids(await walk('/tenants/owner-pending/keys?status=active&limit=100'))).toEqual([other.id]);
    expect(await byOffset('/tenants/owner-pending/keys?status=revoked&offset=1500')).toMatchObject({
      data: [{ status: 'revoked' }],
      page: { total: 1501, totalIsExact: true, hasMore: false },
    });
  });
});

describe('a search', () => {
  it('finds a part of the name in any case, in all of Unicode; the filter for its start is exact', async () => {
    await createTenant('search');
    const names = [
      'Backend Prod',
      'prod-worker',
      'Straße 5',
      'ΟΔΟΣ',
      'Cafe\u0301',
      'ＦＵＬＬ',
      '100%_sure',
      'Кириллица',
    ];
    const made = new Map<string, string>();
    for (const name of names) made.set(name, (await createKey('search', { name, owner: 'o' })).id);
    const found = async (search: string, more = '') =>
      (await walk(`/tenants/search/keys?order=asc&search=${encodeURIComponent(search)}${more}`)).map(
        ({ name }) => name,
      );
    expect(await found('PROD')).toEqual(['Backend Prod', 'prod-worker']);
    expect(await found('d p')).toEqual(['Backend Prod']);
    expect(await found('STRASSE')).toEqual(['Straße 5']);
    expect(await found('οδος')).toEqual(['ΟΔΟΣ']);
    expect(await found('οδο')).toEqual(['ΟΔΟΣ']);
    expect(await found('café')).toEqual(['Cafe\u0301']);
    expect(await found('full')).toEqual(['ＦＵＬＬ']);
    expect(await found('%_')).toEqual(['100%_sure']);
    expect(await found('%')).toEqual(['100%_sure']);
    expect(await found('КИРИЛЛ')).toEqual(['Кириллица']);
    expect(await found('nothing')).toEqual([]);
    expect(await found('prod', '&name=prod')).toEqual(['prod-worker']);
    expect(await found('prod', '&owner=other')).toEqual([]);
    expect(await found('prod', '&status=active&limit=1')).toEqual(['Backend Prod', 'prod-worker']);
    expect(ids(await walk('/tenants/search/keys?name=PROD'))).toEqual([]);
  });

  it('takes bounded steps, and paging reaches the end', async () => {
    await createTenant('search-many');
    const first = await createKey('search-many', { name: 'The Needle' });
    await createKey('search-many', { name: 'hay' });
    await multiply('search-many', 2 * STEP_WORK_MAX);
    expect((await api('GET', '/tenants/search-many/keys?search=needle')).body).toMatchObject({
      data: [],
      page: { hasMore: true },
    });
    expect(ids(await walk('/tenants/search-many/keys?search=needle'))).toEqual([first.id]);
  });
});

describe('one step', () => {
  it('reads fewer rows when they are larger', async () => {
    await createTenant('large-rows');
    const metadata = { text: 'm'.repeat(4000) };
    const scopes = Array.from({ length: 100 }, (_, i) => `${'s'.repeat(90)}:${i}`);
    await createKey('large-rows', { metadata, scopes });
    await multiply('large-rows', 3000);
    await runInDurableObject(await tenantObject('large-rows'), (_, { storage }) => {
      const keys = new KeyTable(storage.sql);
      const query = { filter: { search: 'nothing' }, order: 'asc', after: null } as const;
      const { next } = keys.scan.find(query, 26, START);
      // 13 KB count as much as 26 small rows. The last chunk may exceed the step's limit.
      expect(next).toBeGreaterThan(0);
      expect(next).toBeLessThan(2 * (STEP_WORK_MAX / 26));
    });
    expect((await walk('/tenants/large-rows/keys?search=nothing')).length).toBe(0);
  });
});

describe('a page by offset', () => {
  it('is complete, with a total that is exact when it says so', async () => {
    await createTenant('offset', KEEPING);
    await createKey('offset', { name: 'hay', enabled: false });
    await createKey('offset', { name: 'some' });
    await multiply('offset', 200, { name: "'some ' || n.value" });
    await multiply('offset', 3 * STEP_WORK_MAX, { name: "'hay'", enabled: '0', status: "'disabled'" });
    await recount('offset');
    const path = '/tenants/offset/keys?order=asc&limit=50&search=some';
    const seen: unknown[] = [];
    for (let offset = 0; offset < 250; offset += 50) {
      const { data, page } = await byOffset(`${path}&offset=${offset}`);
      seen.push(...ids(data));
      expect(page).toEqual({ limit: 50, offset, total: 201, totalIsExact: true, hasMore: offset + 50 < 201 });
    }
    expect(seen).toEqual(ids(await walk(path)));
    // The matches come after many steps without any.
    expect((await byOffset('/tenants/offset/keys?limit=2&offset=200&search=some')).data).toHaveLength(1);
    expect((await byOffset('/tenants/offset/keys?limit=2&offset=0')).page).toMatchObject({
      total: 3 * STEP_WORK_MAX + 202,
      totalIsExact: true,
    });
  });

  it('says that the total is a lower bound and that there is more, without a link beyond the last offset', async () => {
    await createTenant('offset-many');
    await createKey('offset-many');
    await multiply('offset-many', OFFSET_REACH + 5);
    await recount('offset-many');
    const first = await api('GET', '/tenants/offset-many/keys?status=active&offset=0&limit=10');
    expect(first.body).toMatchObject({ page: { total: OFFSET_REACH, totalIsExact: false, hasMore: true } });
    expect(first.headers.get('Link')).toContain('offset=10');
    const last = await api('GET', `/tenants/offset-many/keys?status=active&offset=${OFFSET_REACH - 10}&limit=10`);
    expect(last.body).toMatchObject({ page: { total: OFFSET_REACH, totalIsExact: false, hasMore: true } });
    expect((last.body as { data: unknown[] }).data).toHaveLength(10);
    expect(last.headers.get('Link')).toBeNull();
  });

  it('is refused when it would be short although there may be more', async () => {
    await createTenant('offset-thin');
    const needle = await createKey('offset-thin', { name: 'needle', owner: 'o' });
    // Rows found through an index whose names SQLite cannot compare. Each counts as much as 26 others.
    await createKey('offset-thin', { name: 'stra\u00df', owner: 'o' });
    await multiply('offset-thin', 1.5 * STEP_WORK_MAX);
    const path = '/tenants/offset-thin/keys?owner=o&search=needle';
    const refused = await api('GET', `${path}&offset=0`);
    expect([refused.status, refused.body]).toMatchObject([
      422,
      { code: 'validation_failed', errors: [{ path: 'offset' }] },
    ]);
    expect(await byOffset(`${path}&offset=0&limit=1&order=asc`)).toMatchObject({
      data: [{ id: needle.id }],
      page: { total: 1, totalIsExact: false, hasMore: true },
    });
    expect(ids(await walk(path))).toEqual([needle.id]);
  });
});

describe('counts by status', () => {
  it('are those of the moment, whatever happens to keys', async () => {
    await createTenant('counts', { settings: { retentionSeconds: 100 } });
    const zeros = { active: 0, rotating: 0, rotated: 0, disabled: 0, expired: 0, revoked: 0, total: 0, exact: true };
    expect(await counts('counts')).toEqual(zeros);
    const a = await createKey('counts', { owner: 'o' });
    const b = await createKey('counts', { expiresAt: at(START + 5000) });
    const c = await createKey('counts', { enabled: false });
    await rotateKey('counts', a.id, { gracePeriodSeconds: 5 });
    expect(await counts('counts')).toEqual({ ...zeros, active: 2, rotating: 1, disabled: 1, total: 4 });
    await updateKey('counts', c.id, { enabled: true });
    await revokeKey('counts', c.id);
    expect(await counts('counts')).toEqual({ ...zeros, active: 2, rotating: 1, revoked: 1, total: 4 });
    advance(5000);
    const late = { ...zeros, active: 1, rotated: 1, expired: 1, revoked: 1, total: 4 };
    expect(await counts('counts')).toEqual(late);
    await runDueAlarm('counts');
    expect(await counts('counts')).toEqual(late);
    expect((await api('POST', '/tenants/counts/keys/revoke', { owner: 'o' })).status).toBe(200);
    const revoked = { ...zeros, expired: 1, revoked: 3, total: 4 };
    expect(await counts('counts')).toEqual(revoked);
    await runDueAlarm('counts');
    expect(await counts('counts')).toEqual(revoked);
    await deleteKey('counts', b.id);
    expect(await counts('counts')).toEqual({ ...revoked, expired: 0, total: 3 });
    advance(200_000);
    await runDueAlarm('counts');
    expect(await counts('counts')).toEqual(zeros);
  });

  it('count a key once whose status is out of date and whose owner is revoked', async () => {
    await createTenant('counts-both', KEEPING);
    await createKey('counts-both', { owner: 'o', expiresAt: at(START + 1000) });
    advance(1000);
    expect((await api('POST', '/tenants/counts-both/keys/revoke', { owner: 'o' })).status).toBe(200);
    expect(await counts('counts-both')).toMatchObject({ active: 0, expired: 0, revoked: 1, total: 1, exact: true });
  });

  it('say when more keys wait to be updated than are read', async () => {
    await createTenant('counts-many', KEEPING);
    await createKey('counts-many', { owner: 'o', expiresAt: at(START + 1000) });
    await multiply('counts-many', LOOKED_AT_MAX + 10);
    await recount('counts-many');
    expect((await api('POST', '/tenants/counts-many/keys/revoke', { owner: 'o' })).status).toBe(200);
    expect(await counts('counts-many')).toMatchObject({ total: LOOKED_AT_MAX + 11, exact: false });
    while (await runDueAlarm('counts-many'));
    expect(await counts('counts-many')).toMatchObject({ active: 0, revoked: LOOKED_AT_MAX + 11, exact: true });
    await createTenant('counts-due', KEEPING);
    await createKey('counts-due', { expiresAt: at(START + 1000) });
    await multiply('counts-due', LOOKED_AT_MAX + 10);
    await recount('counts-due');
    advance(1000);
    expect(await counts('counts-due')).toMatchObject({ total: LOOKED_AT_MAX + 11, exact: false });
    while (await runDueAlarm('counts-due'));
    expect(await counts('counts-due')).toMatchObject({ active: 0, expired: LOOKED_AT_MAX + 11, exact: true });
  });

  it('are computed for keys that are older than the counts', async () => {
    await createTenant('counts-before', KEEPING);
    await createKey('counts-before');
    await createKey('counts-before', { enabled: false });
    const rotating = await createKey('counts-before');
    await rotateKey('counts-before', rotating.id);
    await revokeKey('counts-before', (await createKey('counts-before')).id);
    await sqlIn('counts-before', 'CREATE TABLE counts (kind TEXT, entry INTEGER, n INTEGER)');
    await sqlIn('counts-before', STATUS_COUNTS_MIGRATION);
    const entries = "json_group_object(kind || '/' || entry, n) AS counted FROM counts";
    const [old] = await sqlIn('counts-before', `SELECT ${entries}`);
    const [kept] = await sqlIn('counts-before', 'SELECT counts FROM key_counts');
    expect(JSON.parse(String(kept?.counts))).toMatchObject(JSON.parse(String(old?.counted)));
  });

  it('of an unknown tenant are not found', async () => {
    expect(await problemCode(api('GET', '/tenants/nobody-here/keys/counts'))).toBe('tenant_not_found');
  });
});

describe('a filter that few keys match', () => {
  it('gives sorted results from every index, in either order', async () => {
    await createTenant('few');
    const made = [];
    for (let i = 0; i < 5; i++) {
      made.push(
        await createKey('few', { name: `f${5 - i}`, owner: 'o', prefix: 'few', expiresAt: at(START + 9000 - i) }),
      );
      await createKey('few', { name: 'x', owner: 'other' });
    }
    await multiply('few', Math.max(SMALL_SET_MAX, LAGGING_MAX) + 1);
    for (const query of [
      'name=f',
      `expiresBefore=${at(START + 9001)}`,
      'owner=o',
      'prefix=few',
      'owner=o&prefix=few',
    ]) {
      for (const limit of [2, 5, 100]) {
        expect(ids(await walk(`/tenants/few/keys?limit=${limit}&order=asc&${query}`)), query).toEqual(ids(made));
        expect(ids(await walk(`/tenants/few/keys?limit=${limit}&${query}&status=active`)), query).toEqual(
          ids(made).toReversed(),
        );
      }
    }
  });
});
