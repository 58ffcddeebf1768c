/** Idempotency-Key: a repeated request gets the first response again, and takes effect only once. */
import { runInDurableObject } from 'cloudflare:test';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { IdempotencyStore } from '../../durable-objects/idempotency-store.ts';
import { keyWithSecret } from '../../src/api/keys/schemas.ts';
import { api, createKey, createTenant, problemCode, verify, walk } from '../support/api.ts';
import { advance, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, runAlarm, sqlIn, tenantObject } from '../support/objects.ts';

pretendTime();

const DAY_MS = 86_400_000;
const idem = (key: string) => ({ 'Idempotency-Key': key });
const isReplay = ({ headers }: { headers: Headers }) => headers.get('Idempotency-Replayed') === 'true';
const mutations = async (tenantId: string) => (await walk(`/tenants/${tenantId}/audit?limit=100`)).length;

describe('a mutation with an Idempotency-Key', () => {
  it('of every kind takes effect once and gets the same response again, also after an eviction', async () => {
    await createTenant('idem');
    const key = await createKey('idem');
    const path = `/tenants/idem/keys/${key.id}`;
    const rotated = await createKey('idem');
    await api('POST', `/tenants/idem/keys/${rotated.id}/rotate`);
    const cancelled = await createKey('idem');
    await api('POST', `/tenants/idem/keys/${cancelled.id}/rotate`);
    const requests: [string, string, object?][] = [
      ['POST', '/tenants/idem/keys', { name: 'once' }],
      ['POST', '/tenants/idem/keys/bulk', { keys: [{ name: 'b1' }, { name: 'b2', prefix: 'other' }] }],
      ['PATCH', path, { name: 'renamed' }],
      ['POST', `${path}/rotate`, { gracePeriodSeconds: 60 }],
      ['POST', `/tenants/idem/keys/${rotated.id}/rotation/complete`],
      ['POST', `/tenants/idem/keys/${cancelled.id}/rotation/cancel`],
      ['POST', `${path}/revoke`, { reason: 'r' }],
      ['POST', '/tenants/idem/keys/revoke', { owner: 'nobody' }],
      ['DELETE', path],
      ['PATCH', '/tenants/idem', { name: 'Renamed' }],
      ['POST', '/tenants/idem/cleanup'],
      ['POST', '/management-keys', { name: 'm', role: 'verifier' }],
      ['POST', '/tenants', { id: 'idem-made' }],
    ];
    for (const [index, [method, where, body]] of requests.entries()) {
      const first = await api(method, where, body, idem(`k-${index}`));
      expect(first.status, `${method} ${where}`).toBeLessThan(300);
      expect(isReplay(first)).toBe(false);
      const before = await mutations('idem');
      await evict('idem');
      const again = await api(method, where, body, idem(`k-${index}`));
      expect([again.status, again.body], `${method} ${where}`).toEqual([first.status, first.body]);
      expect(isReplay(again), `${method} ${where}`).toBe(true);
      expect(await mutations('idem')).toBe(before);
    }
  });

  it('returns the same secret again, which verifies and is stored only sealed', async () => {
    await createTenant('idem-secret', { settings: { storage: 'digest' } });
    const make = async () =>
      v.parse(keyWithSecret, (await api('POST', '/tenants/idem-secret/keys', { name: 'k' }, idem('s'))).body);
    const [first, again] = [await make(), await make()];
    expect(again).toEqual(first);
    expect((await verify(again.secret)).code).toBe('VALID');
    const stored = JSON.stringify(await sqlIn('idem-secret', 'SELECT answer, hex(sealed_secrets) FROM idempotency'));
    expect(stored).not.toContain(first.secret.slice(40, 70));
  });

  it('takes effect once when many identical requests arrive together', async () => {
    await createTenant('idem-rush');
    const responses = await Promise.all(
      Array.from({ length: 20 }, () => api('POST', '/tenants/idem-rush/keys', { name: 'k' }, idem('same'))),
    );
    expect(new Set(responses.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(responses.filter((response) => !isReplay(response)).length).toBe(1);
    expect((await walk('/tenants/idem-rush/keys')).length).toBe(1);
  });

  it('is refused with another body, and does not affect other routes, callers or tenants', async () => {
    await createTenant('idem-scope');
    await createTenant('idem-scope-2');
    const made = v.parse(keyWithSecret, (await api('POST', '/tenants/idem-scope/keys', { name: 'k' }, idem('x'))).body);
    const other = await api('POST', '/tenants/idem-scope/keys', { name: 'other' }, idem('x'));
    expect([other.status, other.body]).toMatchObject([422, { code: 'idempotency_key_reused' }]);
    expect(isReplay(await api('POST', '/tenants/idem-scope-2/keys', { name: 'k' }, idem('x')))).toBe(false);
    expect(isReplay(await api('POST', `/tenants/idem-scope/keys/${made.id}/rotate`, undefined, idem('x')))).toBe(false);
    const { body } = await api('POST', '/management-keys', { name: 'm', role: 'owner' });
    const { secret } = v.parse(v.object({ secret: v.string() }), body);
    const byAnother = await api(
      'POST',
      '/tenants/idem-scope/keys',
      { name: 'k' },
      { ...idem('x'), Authorization: `Bearer ${secret}` },
    );
    expect([byAnother.status, isReplay(byAnother)]).toEqual([201, false]);
  });

  it('gets the same failure again when the object decided it', async () => {
    await createTenant('idem-fail');
    const key = await createKey('idem-fail', { enabled: false });
    const rotate = () => api('POST', `/tenants/idem-fail/keys/${key.id}/rotate`, undefined, idem('f'));
    expect((await rotate()).status).toBe(409);
    await api('PATCH', `/tenants/idem-fail/keys/${key.id}`, { enabled: true });
    const again = await rotate();
    expect([again.status, isReplay(again)]).toEqual([409, true]);
    expect((await api('POST', `/tenants/idem-fail/keys/${key.id}/rotate`, undefined, idem('g'))).status).toBe(201);
  });

  it('is forgotten after a day and purged by the alarm', async () => {
    await createTenant('idem-day');
    const make = () => api('POST', '/tenants/idem-day/keys', { name: 'k' }, idem('d'));
    await make();
    advance(DAY_MS - 1);
    expect(isReplay(await make())).toBe(true);
    advance(1);
    await runAlarm('idem-day');
    expect(await sqlIn('idem-day', 'SELECT * FROM idempotency')).toEqual([]);
    const { body } = await api('GET', '/tenants/idem-day/cleanup');
    expect(body).toMatchObject({ data: [{ idempotencyPurged: 1 }] });
    expect(isReplay(await make())).toBe(false);
    expect((await walk('/tenants/idem-day/keys')).length).toBe(2);
  });

  it('gets a response when it is repeated after every attempt lost its response', async () => {
    await createTenant('idem-lost');
    const { env: faulty } = faultyEnv({ method: 'createKeys', times: 1, when: 'after' });
    expect((await apiWith(faulty, 'POST', '/tenants/idem-lost/keys', { name: 'k' }, idem('l'))).status).toBe(503);
    const again = await api('POST', '/tenants/idem-lost/keys', { name: 'k' }, idem('l'));
    expect([again.status, isReplay(again)]).toEqual([201, true]);
    const { secret } = v.parse(keyWithSecret, again.body);
    expect((await verify(secret)).code).toBe('VALID');
    expect((await walk('/tenants/idem-lost/keys')).length).toBe(1);
  });

  it('creates one tenant under a generated id, and deletes it once', async () => {
    const create = () => api('POST', '/tenants', { name: 'Generated' }, idem('t'));
    const [first, again] = [await create(), await create()];
    expect([again.status, again.body, isReplay(again)]).toEqual([201, first.body, true]);
    const { id } = v.parse(v.object({ id: v.string() }), first.body);
    const remove = () => api('DELETE', `/tenants/${id}`, undefined, idem('d'));
    expect((await remove()).status).toBe(204);
    const replayed = await remove();
    expect([replayed.status, isReplay(replayed)]).toEqual([204, true]);
    expect((await create()).status).toBe(404);
    expect((await api('GET', `/tenants/${id}`)).status).toBe(404);
  });

  it('accepts keys of visible ASCII only, up to 255 characters', async () => {
    await createTenant('idem-form');
    for (const key of ['', 'a b', 'x'.repeat(256), 'ü']) {
      const response = api(
        'POST',
        '/tenants/idem-form/keys',
        { name: 'k' },
        idem(encodeURIComponent(key) === key ? key : key),
      );
      expect(await problemCode(response)).toBe('validation_failed');
    }
  });

  it('repeats a long response completely, and stores only what the request does not contain', async () => {
    await createTenant('idem-long');
    const keys = Array.from({ length: 500 }, (_, i) => ({ name: `k${i}`, metadata: { pad: 'ä'.repeat(1500) } }));
    const make = () => api('POST', '/tenants/idem-long/keys/bulk', { keys }, idem('long'));
    const [first, again] = [await make(), await make()];
    expect(first.status).toBe(201);
    expect(again.body).toEqual(first.body);
    expect(isReplay(again)).toBe(true);
    const [kept] = await sqlIn('idem-long', 'SELECT sum(length(answer)) AS characters FROM idempotency');
    expect(kept?.characters).toBeLessThan(500 * 200);
  });

  it('repeats a response that an earlier version stored with all fields of each key', async () => {
    await createTenant('idem-earlier');
    const keys = [
      { name: 'a', scopes: ['x:y'], metadata: { a: 1 }, owner: 'o' },
      { name: 'b', prefix: 'other', enabled: false },
    ];
    const make = () => api('POST', '/tenants/idem-earlier/keys/bulk', { keys }, idem('earlier'));
    const first = await make();
    const whole = {
      seq: 0,
      version: 1,
      name: 'a',
      scopes: ['x:y'],
      metadata: '{"a":1}',
      status: 'active',
      signingKeyId: 1,
    };
    await sqlIn(
      'idem-earlier',
      `UPDATE idempotency SET answer = json_replace(answer, '$.value',
        (SELECT json_group_array(json_patch(value, ?)) FROM json_each(answer, '$.value')))`,
      JSON.stringify(whole),
    );
    const again = await make();
    expect(isReplay(again)).toBe(true);
    expect(again.body).toEqual(first.body);
  });

  it('stores a text of any length and any characters completely', async () => {
    await createTenant('idem-text');
    const text = `a${'\u{1f511}'.repeat(600_000)}`;
    const kept = await runInDurableObject(await tenantObject('idem-text'), (_, { storage }) => {
      const store = new IdempotencyStore(storage.sql);
      store.keep({ key: 'k', requestHash: 'f', sealedSecrets: null }, 'op', text, Date.now());
      return store.find('k', Date.now())?.result === text;
    });
    expect(kept).toBe(true);
  });
});
