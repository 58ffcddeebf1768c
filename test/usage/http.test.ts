/** Usage over HTTP: what is counted, who may read it, and how it is told. */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { QUIET_MS } from '../../domain/usage/pending-usage.ts';
import { Csv, prefersCsv } from '../../src/http/csv.ts';
import { handle } from '../../src/router.ts';
import { api, createKey, createTenant, deleteKey, problemCode, revokeKey, updateKey, verify } from '../support/api.ts';
import { as, managementKey } from '../support/callers.ts';
import { advance, at, hurryTimers, pretendTime, START, untilTimersRan } from '../support/clock.ts';
import { apiWith } from '../support/faults.ts';
import { isolate } from '../support/isolates.ts';
import { evict, runAlarm, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();
hurryTimers();

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const usagePage = v.object({
  data: v.array(v.record(v.string(), v.unknown())),
  page: v.object({ limit: v.number(), nextCursor: v.nullable(v.string()), hasMore: v.boolean() }),
});

/** Lets counts be written: by the test's clock the tenant has been quiet, and the object's timer has gone off. */
async function untilWritten(): Promise<void> {
  advance(QUIET_MS);
  await untilTimersRan();
}

async function usage(tenant: string, query = '') {
  const { status, body } = await api('GET', `/tenants/${tenant}/usage${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return v.parse(usagePage, body);
}

const rows = async (tenant: string, query = '') => (await usage(tenant, query)).data;

async function csv(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
  const request = new Request(`http://keystead.test/v1${path}`, {
    headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}`, ...headers },
  });
  return handle(request, env);
}

describe('usage', () => {
  it('tells verifications by key, owner, plan and code, with what they cost', async () => {
    await createTenant('u-all');
    await api('POST', '/tenants/u-all/plans', { id: 'pro' });
    const a = await createKey('u-all', { owner: 'acme', plan: 'pro', scopes: ['read'] });
    const b = await createKey('u-all', { owner: 'acme', rateLimits: [{ name: 'calls', limit: 2, windowSeconds: 60 }] });
    const c = await createKey('u-all');
    await verify(a.secret);
    await verify(a.secret, { cost: 5 });
    await verify(a.secret, { cost: 0 });
    await verify(a.secret, { scopes: ['write'] });
    for (let i = 0; i < 3; i += 1) await verify(b.secret);
    await revokeKey('u-all', c.id);
    await verify(c.secret);
    await verify('ks_nonsense');
    await untilWritten();

    const day = { start: at(START) };
    expect(await rows('u-all')).toEqual([{ ...day, verifications: 8, valid: 5, units: 8 }]);
    expect(await rows('u-all', '?groupBy=key')).toEqual([
      { ...day, keyId: a.id, verifications: 4, valid: 3, units: 6 },
      { ...day, keyId: b.id, verifications: 3, valid: 2, units: 2 },
      { ...day, keyId: c.id, verifications: 1, valid: 0, units: 0 },
    ]);
    expect(await rows('u-all', '?groupBy=owner&interval=month')).toEqual([
      { ...day, owner: null, verifications: 1, valid: 0, units: 0 },
      { ...day, owner: 'acme', verifications: 7, valid: 5, units: 8 },
    ]);
    expect(await rows('u-all', '?groupBy=plan&interval=hour')).toEqual([
      { ...day, plan: null, verifications: 4, valid: 2, units: 2 },
      { ...day, plan: 'pro', verifications: 4, valid: 3, units: 6 },
    ]);
    expect(await rows('u-all', '?groupBy=code')).toEqual([
      { ...day, code: 'VALID', verifications: 5, valid: 5, units: 8 },
      { ...day, code: 'REVOKED', verifications: 1, valid: 0, units: 0 },
      { ...day, code: 'INSUFFICIENT_SCOPES', verifications: 1, valid: 0, units: 0 },
      { ...day, code: 'RATE_LIMITED', verifications: 1, valid: 0, units: 0 },
    ]);
    expect(await rows('u-all', '?code=RATE_LIMITED&groupBy=key')).toEqual([
      { ...day, keyId: b.id, verifications: 1, valid: 0, units: 0 },
    ]);
    expect(await rows('u-all', `?keyId=${a.id}&groupBy=plan`)).toMatchObject([{ plan: 'pro', verifications: 4 }]);
    expect(await rows('u-all', '?owner=acme&groupBy=key')).toMatchObject([{ keyId: a.id }, { keyId: b.id }]);
    expect(await rows('u-all', `?keyId=${a.id}&owner=other`)).toEqual([]);
    expect(await rows('u-all', '?owner=nobody')).toEqual([]);
  });

  it('says since when and until when, in UTC, hour by hour and day by day', async () => {
    await createTenant('u-time');
    const key = await createKey('u-time');
    for (const wait of [0, 30 * 60_000, HOUR, DAY]) {
      advance(wait);
      await verify(key.secret);
    }
    await untilWritten();
    const starts = async (query: string) => (await rows('u-time', query)).map((row) => [row.start, row.verifications]);
    expect(await starts('?interval=hour&from=2040-01-01T00:00:00Z')).toEqual([
      [at(START), 2],
      [at(START + HOUR), 1],
      [at(START + DAY + HOUR), 1],
    ]);
    expect(await starts('')).toEqual([
      [at(START), 3],
      [at(START + DAY), 1],
    ]);
    // Both ends are moved outwards to full hours or days.
    expect(await starts('?interval=hour&from=2040-01-01T01:59:00%2B00:00&to=2040-01-01T02:00:00Z')).toEqual([
      [at(START + HOUR), 1],
    ]);
    expect(await starts('?from=2040-01-01T12:00:00Z&to=2040-01-01T12:00:01Z')).toEqual([[at(START), 3]]);
    expect(await starts('?interval=month&from=2040-01-02T00:00:00Z')).toEqual([[at(START), 1]]);
    // The last day is asked for.
    advance(HOUR);
    expect(await starts('?interval=hour')).toEqual([[at(START + DAY + HOUR), 1]]);
  });

  it('stays with the owner, plan and key that it was, also when these change or go', async () => {
    await createTenant('u-moved');
    const key = await createKey('u-moved', { owner: 'first' });
    await verify(key.secret);
    await updateKey('u-moved', key.id, { owner: 'second' });
    await verify(key.secret);
    await deleteKey('u-moved', key.id);
    await untilWritten();
    expect(await rows('u-moved', '?groupBy=owner')).toMatchObject([
      { owner: 'first', verifications: 1 },
      { owner: 'second', verifications: 1 },
    ]);
    expect(await rows('u-moved', '?groupBy=key')).toMatchObject([{ keyId: key.id, verifications: 2 }]);
    expect(await rows('u-moved', '?groupBy=key&owner=first')).toMatchObject([{ keyId: key.id, verifications: 1 }]);
  });

  it('of an isolate that decided itself arrives with its next call, refusals included', async () => {
    await createTenant('u-leased', { settings: { leaseSeconds: 5 } });
    const [key, revoked] = [await createKey('u-leased', { owner: 'acme' }), await createKey('u-leased')];
    const held = isolate();
    const ask = async (secret: string, input: object = {}) =>
      (await apiWith(held, 'POST', '/keys/verify', { key: secret, ...input })).body;
    await ask(key.secret);
    await ask(key.secret);
    for (let i = 0; i < 4; i += 1) expect(await ask(key.secret, { cost: 3 })).toMatchObject({ code: 'VALID' });
    expect(await ask(key.secret, { scopes: ['none'] })).toMatchObject({ code: 'INSUFFICIENT_SCOPES' });
    void revokeKey('u-leased', revoked.id);
    await scheduler.wait(50);
    for (let i = 0; i < 3; i += 1) expect(await ask(revoked.secret)).toMatchObject({ code: 'REVOKED' });
    await ask(key.secret, { fresh: true });
    await untilWritten();
    expect(await rows('u-leased', '?groupBy=code')).toMatchObject([
      { code: 'VALID', verifications: 7, units: 15 },
      { code: 'REVOKED', verifications: 3 },
      { code: 'INSUFFICIENT_SCOPES', verifications: 1 },
    ]);
    expect(await rows('u-leased', '?owner=acme')).toMatchObject([{ verifications: 8 }]);
  });

  it('comes in pages whose cursors belong to one question', async () => {
    await createTenant('u-pages');
    const keys = [];
    for (let i = 0; i < 5; i += 1) keys.push(await createKey('u-pages'));
    for (const { secret } of keys) await verify(secret);
    await untilWritten();
    const seen: unknown[] = [];
    let cursor = '';
    do {
      const query = `?groupBy=key&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`;
      const { data, page } = await usage('u-pages', query);
      seen.push(...data.map(({ keyId }) => keyId));
      cursor = page.nextCursor ?? '';
      if (cursor !== '') {
        const other = `/tenants/u-pages/usage?groupBy=owner&cursor=${cursor}`;
        expect(await problemCode(api('GET', other))).toBe('invalid_cursor');
        expect(await problemCode(api('GET', `/tenants/u-pages/keys?cursor=${cursor}`))).toBe('invalid_cursor');
        // The same rows as CSV go on with the same cursor.
        expect((await csv(`/tenants/u-pages/usage${query}&format=csv`)).status).toBe(200);
      }
    } while (cursor !== '');
    expect(seen).toEqual(keys.map(({ id }) => id));
  });

  it('is CSV on request, and no text in it can be a formula', async () => {
    await createTenant('u-csv');
    const owners = ['=HYPERLINK("http://evil")', '+1', '-1', '@cmd', 'plain', 'a "quoted", one', 'Ünïcode'];
    for (const owner of owners) await verify((await createKey('u-csv', { owner })).secret);
    await verify((await createKey('u-csv')).secret);
    await untilWritten();
    const response = await csv('/tenants/u-csv/usage?groupBy=owner', { Accept: 'text/csv' });
    expect(response.headers.get('Content-Type')).toBe('text/csv; charset=utf-8');
    expect(response.headers.get('Vary')).toBe('Accept');
    const day = at(START);
    expect((await response.text()).split('\r\n')).toEqual([
      'start,owner,verifications,valid,units',
      `${day},,1,1,1`,
      `${day},"'=HYPERLINK(""http://evil"")",1,1,1`,
      `${day},'+1,1,1,1`,
      `${day},'-1,1,1,1`,
      `${day},'@cmd,1,1,1`,
      `${day},plain,1,1,1`,
      `${day},"a ""quoted"", one",1,1,1`,
      `${day},Ünïcode,1,1,1`,
      '',
    ]);
    const first = await csv('/tenants/u-csv/usage?groupBy=owner&limit=1&format=csv');
    expect(first.headers.get('Link')).toMatch(/^<\/v1\/tenants\/u-csv\/usage\?.*format=csv.*cursor=.*>; rel="next"$/);
    expect((await csv('/tenants/u-csv/usage?format=json', { Accept: 'text/csv' })).headers.get('Content-Type')).toBe(
      'application/json',
    );
    // A refusal is a problem, whatever was asked for.
    const refused = await csv('/tenants/u-csv/usage?interval=week', { Accept: 'text/csv' });
    expect([refused.status, refused.headers.get('Content-Type')]).toEqual([422, 'application/problem+json']);
  });

  it('is for callers with usage:read, and only of their tenant', async () => {
    await createTenant('u-mine');
    await createTenant('u-theirs');
    const auditor = await managementKey({ role: 'auditor', tenantId: 'u-mine' });
    const verifier = await managementKey({ role: 'verifier', tenantId: 'u-mine' });
    const read = async (tenant: string, secret: string) =>
      (await api('GET', `/tenants/${tenant}/usage`, undefined, as(secret))).status;
    expect(await read('u-mine', auditor.secret)).toBe(200);
    expect(await read('u-theirs', auditor.secret)).toBe(404);
    expect(await read('_system', auditor.secret)).toBe(404);
    expect(await read('u-mine', verifier.secret)).toBe(403);
    expect((await api('GET', '/tenants/_system/usage')).status).toBe(200);
    expect((await api('GET', '/tenants/no-such/usage')).status).toBe(404);
  });

  it.each([
    '?interval=week',
    '?groupBy=tenant',
    '?groupBy=key&groupBy=owner',
    '?code=NOT_FOUND',
    '?keyId=key_1',
    `?owner=${'x'.repeat(129)}`,
    '?owner=',
    '?from=yesterday',
    '?from=2040-02-30T00:00:00Z',
    '?from=2040-01-02T00:00:00Z&to=2040-01-02T00:00:00Z',
    '?limit=0',
    '?limit=1001',
    '?limit=1e2',
    '?format=xml',
    '?plan=pro',
  ])('refuses %s', async (query) => {
    await createTenant('u-refuse');
    expect(await problemCode(api('GET', `/tenants/u-refuse/usage${query}`))).toBe('validation_failed');
    await api('DELETE', '/tenants/u-refuse');
  });

  it('answers whatever times are asked for, before the first and after the last', async () => {
    await createTenant('u-far');
    await verify((await createKey('u-far')).secret);
    await untilWritten();
    expect(await rows('u-far', '?to=0000-01-01T00:00:00Z')).toEqual([]);
    expect(await rows('u-far', '?from=9999-12-31T23:59:59Z')).toEqual([]);
    expect(
      await rows('u-far', '?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&interval=month&limit=1000'),
    ).toHaveLength(1);
  });
});

describe('retention of usage', () => {
  it('is a setting of the tenant, which a confined caller may only lengthen', async () => {
    await createTenant('u-keep');
    const admin = await managementKey({ role: 'admin', tenantId: 'u-keep' });
    const set = async (settings: object, secret?: string) =>
      (await api('PATCH', '/tenants/u-keep', { settings }, secret === undefined ? {} : as(secret))).status;
    expect(await set({ usageHourRetentionSeconds: 864_000 }, admin.secret)).toBe(403);
    expect(await set({ usageDayRetentionSeconds: 0 }, admin.secret)).toBe(403);
    expect(await set({ usageDayRetentionSeconds: 70_000_000 }, admin.secret)).toBe(200);
    expect(await set({ usageHourRetentionSeconds: 86_399 })).toBe(422);
    expect(await set({ usageHourRetentionSeconds: 31_536_001 })).toBe(422);
    expect(await set({ usageHourRetentionSeconds: 0, usageDayRetentionSeconds: 86_400 })).toBe(200);
  });

  it('deletes by the alarm what is old, and reports how many rows', async () => {
    await createTenant('u-trim', { settings: { usageHourRetentionSeconds: 86_400 } });
    await verify((await createKey('u-trim', { owner: 'o' })).secret);
    await untilWritten();
    expect(await sqlIn('u-trim', 'SELECT count(*) AS n FROM usage_hours')).toEqual([{ n: 4 }]);
    advance(2 * DAY);
    expect(await runDueAlarm('u-trim')).toBe(true);
    expect(await sqlIn('u-trim', 'SELECT count(*) AS n FROM usage_hours')).toEqual([{ n: 0 }]);
    expect(await sqlIn('u-trim', 'SELECT count(*) AS n FROM usage_days')).toEqual([{ n: 4 }]);
    const { body } = await api('GET', '/tenants/u-trim/cleanup');
    expect(body).toMatchObject({ data: [{ trigger: 'alarm', usageTrimmed: 4, remaining: 0 }] });
    advance(431 * DAY);
    await runAlarm('u-trim');
    expect(await sqlIn('u-trim', 'SELECT count(*) AS n FROM usage_days')).toEqual([{ n: 0 }]);
    expect(await sqlIn('u-trim', 'SELECT count(*) AS n FROM usage_names')).toEqual([{ n: 0 }]);
  });

  it('counts nothing when both are 0', async () => {
    await createTenant('u-none', { settings: { usageHourRetentionSeconds: 0, usageDayRetentionSeconds: 0 } });
    await verify((await createKey('u-none')).secret);
    await untilWritten();
    expect(await sqlIn('u-none', 'SELECT count(*) AS n FROM usage_names')).toEqual([{ n: 0 }]);
  });

  it('outlives an eviction', async () => {
    await createTenant('u-evict');
    await verify((await createKey('u-evict')).secret);
    await untilWritten();
    await evict('u-evict');
    expect(await rows('u-evict')).toMatchObject([{ verifications: 1 }]);
  });
});

describe('CSV', () => {
  it('quotes what needs it, and turns no text into a formula', () => {
    const { body } = new Csv(
      ['a', 'b'],
      [
        ['=1+1', -1],
        ['\t=1', null],
        ['line\nbreak', 0],
        ['＝1', 1],
      ],
    ).toReply();
    expect(body).toBe(`a,b\r\n'=1+1,-1\r\n'\t=1,\r\n"line\nbreak",0\r\n'＝1,1\r\n`);
  });

  it.each([
    [null, false],
    ['text/csv', true],
    ['TEXT/CSV; charset=utf-8', true],
    ['*/*', false],
    ['application/json, text/csv', false],
    ['application/json;q=0.5, text/csv;q=0.9', true],
    ['text/csv;q=0', false],
    ['text/csv;q=nonsense', false],
    ['text/csvx', false],
    [`text/csv,${'x'.repeat(1000)}`, false],
  ])('is what %s asks for: %s', (accept, expected) => {
    expect(prefersCsv(accept)).toBe(expected);
  });
});
