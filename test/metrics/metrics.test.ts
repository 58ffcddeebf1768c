/** `GET /metrics`: what is counted, what a scrape costs, who may read it, and what never gets into it. */
import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import type { Env } from '../../src/env.ts';
import { handle } from '../../src/router.ts';
import { api, createKey, createTenant, deleteKey, revokeKey, verify } from '../support/api.ts';
import { as, managementKey } from '../support/callers.ts';
import { faultyEnv } from '../support/faults.ts';
import { isolate } from '../support/isolates.ts';
import { runAlarm } from '../support/objects.ts';
import { type ParsedFamily, parseMetrics, sumOf } from './prometheus-text.ts';

const ADMIN = { Authorization: `Bearer ${env.ADMIN_TOKEN}` };

async function scrape(): Promise<ReadonlyMap<string, ParsedFamily>> {
  const { status, body } = await api('GET', '/metrics');
  expect(status).toBe(200);
  return parseMetrics(String(body));
}

type Expected = readonly [name: string, labels: Readonly<Record<string, string>>];

/** By how much each of these numbers grows while something is done. */
async function growth(numbers: readonly Expected[], act: () => Promise<unknown>): Promise<number[]> {
  const before = await scrape();
  await act();
  const after = await scrape();
  return numbers.map(([name, labels]) => sumOf(after, name, labels) - sumOf(before, name, labels));
}

/** The Worker with a log of each request. */
const LOGGING = { LOG_LEVEL: 'info' };

const request = (path: string, init: RequestInit = {}, on: Env = env) =>
  handle(new Request(`http://keystead.test${path}`, { headers: ADMIN, ...init }), on);

const verifyOn = (on: Env, key: string, more: object = {}) =>
  request('/v1/keys/verify', { method: 'POST', body: JSON.stringify({ key, ...more }), headers: jsonHeaders }, on);
const jsonHeaders = { ...ADMIN, 'Content-Type': 'application/json' };

/** Requests that were logged while something was done. */
async function logged(act: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
  const lines: string[] = [];
  const note = (line: unknown) => void lines.push(String(line));
  const spies = [
    vi.spyOn(console, 'log').mockImplementation(note),
    vi.spyOn(console, 'error').mockImplementation(note),
  ];
  try {
    await act();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
}

describe('what is counted', () => {
  it('are requests, by route, method and status, with their durations', async () => {
    const route = '/v1/tenants/:tenantId';
    const counts = await growth(
      [
        ['keystead_requests_total', { route, method: 'GET', status: '404' }],
        ['keystead_requests_total', { route, method: 'HEAD', status: '404' }],
        ['keystead_requests_total', { route: 'none', method: 'GET', status: '404' }],
        ['keystead_requests_total', { route: 'none', method: 'OTHER', status: '404' }],
        ['keystead_request_duration_seconds_count', { route }],
        ['keystead_request_duration_seconds_bucket', { route, le: '30' }],
      ],
      async () => {
        await request('/v1/tenants/m-nobody');
        await request('/v1/tenants/m-nobody', { method: 'HEAD' });
        await request('/of/the/callers/choice');
        await request('/of/the/callers/choice', { method: 'PROPFIND' });
      },
    );
    expect(counts).toEqual([1, 1, 1, 1, 2, 2]);
  });

  it('are verifications, by code and by where they were decided', async () => {
    await createTenant('m-verify', { settings: { leaseSeconds: 10 } });
    const key = await createKey('m-verify', { scopes: ['read'] });
    const on = isolate();
    const altered = `${key.secret.slice(0, 12)}${key.secret[12] === 'a' ? 'b' : 'a'}${key.secret.slice(13)}`;
    const of = (decided: string, code: string): Expected => [
      'keystead_verifications_total',
      { keys: 'customers', decided, code },
    ];
    const counts = await growth(
      [of('object', 'VALID'), of('lease', 'VALID'), of('lease', 'INSUFFICIENT_SCOPES'), of('here', 'MALFORMED')],
      async () => {
        // The first call after a sleep gets no lease; the second one does.
        for (let i = 0; i < 5; i++) await verifyOn(on, key.secret);
        await verifyOn(on, key.secret, { scopes: ['write'] });
        await verifyOn(on, altered);
        await verifyOn(on, 'nothing');
      },
    );
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(5);
    expect(counts[1]).toBeGreaterThanOrEqual(3);
    expect(counts.slice(2)).toEqual([1, 2]);
  });

  it('are management keys apart from keys of customers', async () => {
    const monitor = await managementKey({ role: 'monitor' });
    const [management] = await growth([['keystead_verifications_total', { keys: 'management', code: 'VALID' }]], () =>
      api('GET', '/metrics', undefined, as(monitor.secret)),
    );
    expect(management).toBe(1);
  });

  it('are decisions about limits, by units that are held or by the object', async () => {
    await createTenant('m-limits', { settings: { leaseSeconds: 10 } });
    const limits = [{ name: 'calls', limit: 3, windowSeconds: 60 }];
    const limited = await createKey('m-limits', { rateLimits: limits });
    await createTenant('m-strict');
    const strict = await createKey('m-strict', { rateLimits: limits });
    const on = isolate();
    const of = (decided: string, code: string): Expected => [
      'keystead_limit_decisions_total',
      { charged: 'key', decided, code },
    ];
    const numbers = [of('object', 'VALID'), of('object', 'RATE_LIMITED')];
    const byObject = await growth(numbers, async () => {
      for (let i = 0; i < 5; i++) await verifyOn(on, strict.secret);
    });
    expect(byObject).toEqual([3, 2]);
    const [valid, refused, all] = await growth(
      [
        ['keystead_limit_decisions_total', { code: 'VALID' }],
        ['keystead_limit_decisions_total', { code: 'RATE_LIMITED' }],
        ['keystead_limit_decisions_total', {}],
      ],
      async () => {
        for (let i = 0; i < 6; i++) await verifyOn(on, limited.secret);
      },
    );
    expect([valid, refused, all]).toEqual([3, 3, 6]);
  });

  it('are calls to objects, with those that are repeated and those that fail', async () => {
    await createTenant('m-calls');
    const { env: retried } = faultyEnv({ method: 'countKeys', times: 1, when: 'before', retryable: true });
    const { env: failing } = faultyEnv({ method: 'countKeys', times: 1, when: 'before', overloaded: true });
    const counts = await growth(
      [
        ['keystead_object_calls_total', { object: 'tenant' }],
        ['keystead_object_call_duration_seconds_count', { object: 'tenant' }],
        ['keystead_object_call_retries_total', { object: 'tenant' }],
        ['keystead_object_call_failures_total', { object: 'tenant', reason: 'overloaded' }],
        ['keystead_events_total', { event: 'object_call_failed', level: 'error' }],
      ],
      () =>
        logged(async () => {
          await request('/v1/tenants/m-calls/keys/counts', {}, retried);
          await request('/v1/tenants/m-calls/keys/counts', {}, failing);
        }),
    );
    expect(counts).toEqual([3, 3, 1, 1, 1]);
  });

  it('are the waits of changes for leases', async () => {
    await createTenant('m-waits', { settings: { leaseSeconds: 1 } });
    const key = await createKey('m-waits');
    const on = isolate();
    for (let i = 0; i < 3; i++) await verifyOn(on, key.secret);
    const [count, atOnce, seconds] = await growth(
      [
        ['keystead_lease_wait_seconds_count', { result: 'change' }],
        ['keystead_lease_wait_seconds_bucket', { result: 'change', le: '0.001' }],
        ['keystead_lease_wait_seconds_sum', { result: 'change' }],
      ],
      () => revokeKey('m-waits', key.id),
    );
    expect([count, atOnce]).toEqual([1, 0]);
    expect(seconds).toBeGreaterThan(0.5);
    expect(seconds).toBeLessThan(1.2);
  });

  it('are leases that are passed on to clients', async () => {
    await createTenant('m-clients', { settings: { leaseSeconds: 10 } });
    const key = await createKey('m-clients');
    await createTenant('m-no-leases');
    const other = await createKey('m-no-leases');
    const on = isolate();
    const counts = await growth(
      [
        ['keystead_leases_passed_on_total', { result: 'given' }],
        ['keystead_leases_passed_on_total', { result: 'none' }],
      ],
      async () => {
        for (let i = 0; i < 2; i++) await verifyOn(on, key.secret);
        await verifyOn(on, key.secret, { lease: { rules: 1, known: null } });
        await verifyOn(on, other.secret, { lease: { rules: 1, known: null } });
      },
    );
    expect(counts).toEqual([1, 1]);
  });

  it('are alarms, with how late they are', async () => {
    await createTenant('m-alarm');
    await createKey('m-alarm', { expiresAt: new Date(Date.now() + 3600_000).toISOString() });
    const [count] = await growth([['keystead_alarm_lag_seconds_count', { object: 'tenant' }]], () =>
      runAlarm('m-alarm'),
    );
    expect(count).toBe(1);
  });

  it('are the keys of the largest tenants by status, until the tenant is deleted', async () => {
    await createTenant('m-size');
    const [first, second] = [await createKey('m-size'), await createKey('m-size')];
    await createKey('m-size');
    await revokeKey('m-size', first.id);
    await deleteKey('m-size', second.id);
    const keys = async (status: string) =>
      (await scrape())
        .get('keystead_tenant_keys')
        ?.samples.filter(({ labels }) => labels.tenant === 'm-size' && labels.status === status)
        .map(({ value }) => value);
    expect([await keys('active'), await keys('revoked'), await keys('expired')]).toEqual([[1], [1], [0]]);
    await api('DELETE', '/tenants/m-size');
    expect(await keys('active')).toEqual([]);
  });
});

describe('a scrape', () => {
  it('says which program answers, what it holds, and how storage stands', async () => {
    const metrics = await scrape();
    expect(metrics.get('keystead_build_info')?.samples[0]?.labels.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(sumOf(metrics, 'keystead_cache_bytes')).toBeGreaterThan(0);
    expect(sumOf(metrics, 'keystead_cache_bytes')).toBeLessThanOrEqual(sumOf(metrics, 'keystead_cache_budget_bytes'));
    expect(sumOf(metrics, 'keystead_directory_up')).toBe(1);
    expect(sumOf(metrics, 'keystead_storage_may_grow')).toBe(1);
    expect(Math.abs(sumOf(metrics, 'keystead_start_time_seconds') - Date.now() / 1000)).toBeLessThan(600);
  });

  it('costs one call to the directory and no time, however many tenants there are', async () => {
    const directory = env.DIRECTORY.get(env.DIRECTORY.idFromName('directory')) as unknown as DurableObjectStub;
    const before = sumOf(await scrape(), 'keystead_tenants');
    await runInDurableObject(directory, (_, { storage }) => {
      storage.sql.exec(
        `INSERT INTO tenants (id, incarnation, added_at) WITH RECURSIVE n (i) AS
           (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT 'many-' || i, 'inc', 0 FROM n`,
      );
      storage.sql.exec("UPDATE tenants SET deleting = '{}', attempt_at = 9e15 WHERE id IN ('many-1', 'many-2')");
    });
    const times: number[] = [];
    const lines = await logged(async () => {
      for (let i = 0; i < 20; i++) {
        const startedAt = performance.now();
        expect((await request('/metrics', {}, { ...env, ...LOGGING })).status).toBe(200);
        times.push(performance.now() - startedAt);
      }
    });
    expect(lines.map(({ route, objectCalls }) => [route, objectCalls])).toEqual(Array(20).fill(['/metrics', 1]));
    // The fastest: others use the machine too.
    expect(Math.min(...times)).toBeLessThan(10);
    const metrics = await scrape();
    expect(sumOf(metrics, 'keystead_tenants') - before).toBe(9998);
    expect(sumOf(metrics, 'keystead_deletions_pending')).toBe(2);
    await runInDurableObject(directory, (_, { storage }) => {
      storage.sql.exec("DELETE FROM tenants WHERE id LIKE 'many-%'");
    });
  });

  it('goes on without the directory', async () => {
    const { env: failing } = faultyEnv({ method: 'overview', times: 9, when: 'before' });
    let text = '';
    await logged(async () => {
      text = await (await request('/metrics', {}, failing)).text();
    });
    const metrics = parseMetrics(text);
    expect(sumOf(metrics, 'keystead_directory_up')).toBe(0);
    expect(metrics.get('keystead_tenants')?.samples).toEqual([]);
    expect(sumOf(metrics, 'keystead_requests_total')).toBeGreaterThan(0);
  });

  it('answers HEAD, and says the version of the format', async () => {
    const answer = await request('/metrics');
    expect(answer.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect((await request('/metrics', { method: 'HEAD' })).status).toBe(200);
    expect((await request('/metrics', { method: 'POST' })).status).toBe(405);
  });
});

describe('metrics are read', () => {
  it('with metrics:read only, by callers who are not confined to a tenant', async () => {
    await createTenant('m-confined');
    const statusFor = async (input: object) =>
      (await api('GET', '/metrics', undefined, as((await managementKey(input)).secret))).status;
    expect((await api('GET', '/metrics', undefined, { Authorization: '' })).status).toBe(401);
    expect((await api('GET', '/metrics', undefined, as('nobody'))).status).toBe(401);
    expect(await statusFor({ role: 'verifier' })).toBe(403);
    expect(await statusFor({ permissions: ['maintenance:read', 'usage:read'] })).toBe(403);
    expect(await statusFor({ role: 'monitor', tenantId: 'm-confined' })).toBe(403);
    expect(await statusFor({ role: 'monitor' })).toBe(200);
    expect(await statusFor({ permissions: ['metrics:read'] })).toBe(200);
  });
});

describe('no metric holds', () => {
  it('a secret, or a text that a caller chose', async () => {
    const marks = ['m-marked-owner', 'm-marked-name', 'm-marked-path', 'm-marked-scope', 'm-marked-agent'];
    await createTenant('m-marks');
    const key = await createKey('m-marks', { name: marks[1], owner: marks[0], scopes: [marks[3]] });
    await verify(key.secret);
    await request(`/${marks[2]}"} 1\n`, { method: 'PROPFIND', headers: { ...ADMIN, 'User-Agent': marks[4] ?? '' } });
    await request(`/v1/tenants/${marks[2]}`);
    await request(`/v1/authorize/${marks[2]}`, {
      headers: { 'X-Keystead-Token': env.ADMIN_TOKEN ?? '', 'X-API-Key': key.secret, 'X-Keystead-Query': 'scopes=' },
    });
    const { body } = await api('GET', '/metrics');
    for (const text of [...marks, key.secret, key.id, env.ADMIN_TOKEN, 'PROPFIND']) expect(body).not.toContain(text);
  });
});

describe('on Cloudflare', () => {
  it('each request is one data point, where a dataset is bound', async () => {
    await createTenant('m-points');
    const points: { indexes: string[]; blobs: string[]; doubles: number[] }[] = [];
    const bound = {
      ...env,
      ANALYTICS: { writeDataPoint: (point: (typeof points)[number]) => void points.push(point) },
    };
    await request('/v1/tenants/m-points', {}, bound);
    await verifyOn(bound, 'nothing');
    await request('/nowhere', {}, bound);
    const route = '/v1/tenants/:tenantId';
    expect(points.map(({ indexes }) => indexes)).toEqual([[route], ['/v1/keys/verify'], ['none']]);
    expect(points[0]?.blobs.slice(0, 5)).toEqual([route, 'GET', '', '', 'm-points']);
    expect(points[1]?.blobs.slice(0, 5)).toEqual(['/v1/keys/verify', 'POST', '', 'MALFORMED', '']);
    expect(points[2]?.blobs.slice(0, 5)).toEqual(['none', 'GET', 'not_found', '', '']);
    expect(points.map(({ doubles: [status] }) => status)).toEqual([200, 200, 404]);
  });

  it('a dataset that fails fails no request', async () => {
    const failing = {
      ...env,
      ANALYTICS: {
        writeDataPoint: () => {
          throw new Error('no');
        },
      },
    };
    expect((await request('/healthz', {}, failing)).status).toBe(200);
  });
});

describe('the trace of a request', () => {
  const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
  const SPAN = '00f067aa0ba902b7';
  const linesWith = (traceparent: string, on: Env = env, path = '/healthz') =>
    logged(() => request(path, { headers: { ...ADMIN, traceparent } }, { ...on, ...LOGGING }));

  it('is in its line of the log, and in that of a call that failed', async () => {
    const [line] = await linesWith(`00-${TRACE}-${SPAN}-01`);
    expect(line).toMatchObject({ event: 'request', traceId: TRACE, parentSpanId: SPAN });
    await createTenant('m-trace');
    const { env: failing } = faultyEnv({ method: 'countKeys', times: 1, when: 'before' });
    const lines = await linesWith(`00-${TRACE}-${SPAN}-00`, failing, '/v1/tenants/m-trace/keys/counts');
    expect(lines.map(({ event, traceId }) => [event, traceId])).toEqual([
      ['object_call_failed', TRACE],
      ['request', TRACE],
    ]);
    expect(lines[0]?.requestId).toBe(lines[1]?.requestId);
  });

  it('is read of a later version too, without what that adds', async () => {
    expect((await linesWith(`cc-${TRACE}-${SPAN}-01-and-more`))[0]).toMatchObject({ traceId: TRACE });
  });

  it.each([
    ['no trace', ''],
    ['the version ff', `ff-${TRACE}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['capital letters', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['more than version 00 has', `00-${TRACE}-${SPAN}-01-more`],
    ['another text', 'a "text" of the caller'],
    ['a text that is too long', `cc-${TRACE}-${SPAN}-01-${'a'.repeat(1000)}`],
  ])('is left out with %s', async (_, traceparent) => {
    const [line] = await linesWith(traceparent);
    expect(Object.keys(line ?? {})).toContain('requestId');
    expect(Object.keys(line ?? {})).not.toContain('traceId');
    expect(Object.keys(line ?? {})).not.toContain('parentSpanId');
  });
});
