/** Lists: filters, order, cursors, and what paging guarantees while others write. */
import { describe, expect, it } from 'vitest';
import { LAGGING_MAX, SMALL_SET_MAX, STEP_WORK_MAX } from '../../durable-objects/tenant/keys/scan.ts';
import { api, createKey, createTenant, deleteKey, problemCode, revokeKey, rotateKey, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { runDueAlarm } from '../support/objects.ts';
import { multiply } from '../support/rows.ts';

pretendTime();

const ids = (rows: readonly { id?: unknown }[]) => rows.map((row) => row.id);

describe('lists of keys', () => {
  it('are ordered by creation, newest first by default', async () => {
    await createTenant('ordered');
    const made = [];
    for (let i = 0; i < 5; i++) made.push((await createKey('ordered')).id);
    expect(ids(await walk('/tenants/ordered/keys?limit=2'))).toEqual(made.toReversed());
    expect(ids(await walk('/tenants/ordered/keys?limit=2&order=asc'))).toEqual(made);
  });

  it('say how to continue, and when there is no more', async () => {
    await createTenant('pages');
    for (let i = 0; i < 3; i++) await createKey('pages');
    const first = await api('GET', '/tenants/pages/keys?limit=2');
    expect(first.body).toMatchObject({ page: { limit: 2, hasMore: true } });
    const next = /^<(?<path>[^>]+)>; rel="next"$/.exec(first.headers.get('Link') ?? '')?.groups?.path ?? '';
    const second = await api('GET', next.replace('/v1', ''));
    expect(second.body).toMatchObject({ page: { limit: 2, nextCursor: null, hasMore: false } });
    expect(second.headers.get('Link')).toBeNull();
    const exact = await api('GET', '/tenants/pages/keys?limit=3');
    expect(exact.body).toMatchObject({ page: { nextCursor: null, hasMore: false } });
  });

  it('filter by owner, prefix, start of the name, expiry and status, alone and combined', async () => {
    await createTenant('filters', { settings: { retentionSeconds: 1_000_000 } });
    const a = await createKey('filters', { name: 'alpha', owner: 'o1', prefix: 'p_one' });
    const b = await createKey('filters', { name: 'alpine', owner: 'o2', prefix: 'p_two', expiresAt: at(START + 5000) });
    const c = await createKey('filters', { name: 'beta', owner: 'o1', prefix: 'p_one', expiresAt: at(START + 9000) });
    const d = await createKey('filters', { name: 'Alpha', enabled: false });
    const list = async (query: string) => ids(await walk(`/tenants/filters/keys?limit=1&${query}`));
    expect(await list('owner=o1')).toEqual([c.id, a.id]);
    expect(await list('prefix=p_one&order=asc')).toEqual([a.id, c.id]);
    expect(await list('name=alp')).toEqual([b.id, a.id]);
    expect(await list(`expiresBefore=${at(START + 9000)}`)).toEqual([b.id]);
    expect(await list(`expiresBefore=${at(START + 9001)}&owner=o1`)).toEqual([c.id]);
    expect(await list('status=disabled')).toEqual([d.id]);
    expect(await list('status=active&name=alp')).toEqual([b.id, a.id]);
    advance(5000);
    expect(await list('status=expired')).toEqual([b.id]);
    expect(await list('status=active')).toEqual([c.id, a.id]);
    await runDueAlarm('filters');
    expect(await list('status=expired')).toEqual([b.id]);
    const { key: successor } = await rotateKey('filters', a.id);
    await revokeKey('filters', c.id);
    expect(await list('status=rotating')).toEqual([a.id]);
    expect(await list('status=revoked')).toEqual([c.id]);
    expect(await list('status=active')).toEqual([successor.id]);
  });

  it('stay bounded and complete when a filter matches few of many', async () => {
    await createTenant('thin');
    const needle = await createKey('thin', { name: 'needle', owner: 'rare' });
    await createKey('thin', { name: 'hay', owner: 'common' });
    await multiply('thin', 2 * STEP_WORK_MAX);
    const last = await createKey('thin', { name: 'needle two', owner: 'common' });
    // Few names start this way. They are found at once, wherever they are.
    expect((await api('GET', '/tenants/thin/keys?name=needle&limit=2')).body).toMatchObject({
      data: [{ id: last.id }, { id: needle.id }],
      page: { hasMore: false },
    });
    // Many rows and few matches: pages may be short, but paging finds all.
    await multiply('thin', SMALL_SET_MAX + 1, { name: "'needle three'", owner: "'other'" });
    expect(ids(await walk('/tenants/thin/keys?name=needle&owner=rare&limit=2'))).toEqual([needle.id]);
    expect(ids(await walk('/tenants/thin/keys?name=needle&prefix=ks&limit=100')).length).toBe(SMALL_SET_MAX + 3);
  });

  it('find by status even when more rows are out of date than are sorted', async () => {
    await createTenant('lag', { settings: { retentionSeconds: 1_000_000 } });
    const lasting = await createKey('lag', { name: 'lasting' });
    await createKey('lag', { name: 'short', expiresAt: at(START + 1000) });
    await multiply('lag', LAGGING_MAX + 5);
    advance(1000);
    expect((await walk('/tenants/lag/keys?status=expired&limit=100')).length).toBe(LAGGING_MAX + 6);
    expect(ids(await walk('/tenants/lag/keys?status=active&limit=100'))).toEqual([lasting.id]);
  });

  it('show every key that existed throughout exactly once, whatever others do meanwhile', async () => {
    for (const order of ['asc', 'desc']) {
      const tenant = `steady-${order}`;
      await createTenant(tenant);
      const steady: string[] = [];
      const doomed: string[] = [];
      for (let i = 0; i < 30; i++) (i % 3 === 0 ? doomed : steady).push((await createKey(tenant)).id);
      const seen: unknown[] = [];
      let path: string | null = `/tenants/${tenant}/keys?limit=4&order=${order}`;
      while (path !== null) {
        const { body, headers } = await api('GET', path);
        seen.push(...ids((body as { data: { id: string }[] }).data));
        const victim = doomed.pop();
        if (victim !== undefined) await deleteKey(tenant, victim);
        await createKey(tenant);
        const next: string | undefined = /<\/v1(?<path>[^>]+)>/.exec(headers.get('Link') ?? '')?.groups?.path;
        path = seen.length < 200 ? (next ?? null) : null;
      }
      expect(new Set(seen).size).toBe(seen.length);
      for (const id of steady) expect(seen).toContain(id);
    }
  });

  it('refuse a cursor that is altered, or of another list, order, filter or tenant', async () => {
    for (const tenant of ['cursor-a', 'cursor-b']) {
      await createTenant(tenant);
      for (let i = 0; i < 3; i++) await createKey(tenant, { owner: 'o' });
    }
    const { body } = await api('GET', '/tenants/cursor-a/keys?limit=1');
    const { nextCursor } = (body as { page: { nextCursor: string } }).page;
    const code = (path: string) => problemCode(api('GET', path));
    expect((await api('GET', `/tenants/cursor-a/keys?limit=2&cursor=${nextCursor}`)).status).toBe(200);
    for (const path of [
      `/tenants/cursor-b/keys?cursor=${nextCursor}`,
      `/tenants/cursor-a/keys?order=asc&cursor=${nextCursor}`,
      `/tenants/cursor-a/keys?owner=o&cursor=${nextCursor}`,
      `/tenants/cursor-a/audit?cursor=${nextCursor}`,
      `/tenants?cursor=${nextCursor}`,
      `/tenants/cursor-a/keys?cursor=${nextCursor.slice(0, -1)}`,
      '/tenants/cursor-a/keys?cursor=AAAA',
      '/tenants/cursor-a/keys?cursor=',
    ]) {
      expect(await code(path), path).toBe('invalid_cursor');
    }
  });
});
