/**
 * The client's leases against the Worker itself: what a process may answer alone, what it asks, what it reports, and
 * that it never answers by an old state.
 */
import { env } from 'cloudflare:workers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LeasesRenewResponse } from '../../client/src/api/types.ts';
import type { TransportRequest } from '../../client/src/http/transport.ts';
import { Keystead, type KeysteadOptions } from '../../client/src/keystead.ts';
import { LeasedVerifier } from '../../client/src/verify/leased-verifier.ts';
import { QUIET_MS } from '../../domain/usage/pending-usage.ts';
import type { Env } from '../../src/env.ts';
import { handle } from '../../src/router.ts';
import { api, createKey, createTenant, getKey, revokeKey, rotateKey, updateKey } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { faultyEnv } from '../support/faults.ts';
import { errorOf } from './fake.ts';

pretendTime();
// The other clock of a process, which never goes back.
beforeEach(() => {
  let latest = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    latest = Math.max(latest, Date.now());
    return latest;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

const SECOND = 1000;
const leased = (id: string) => createTenant(id, { settings: { leaseSeconds: 10 } });

const clients: Keystead[] = [];
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));

/** A process with a client, whose requests go to an isolate of the Worker. */
function process(options: Partial<KeysteadOptions> = {}, isolate: { env: Env; calls: string[] } = faultyEnv()) {
  const sent: string[] = [];
  const background: Promise<unknown>[] = [];
  const state = { isDown: false, losesAnswers: false, answersTakeMs: 0 };
  const keystead = new Keystead({
    url: 'http://keystead.test',
    token: env.ADMIN_TOKEN,
    retries: 0,
    // Without timers, so that nothing happens by itself.
    leases: { waitUntil: (work) => background.push(work) },
    ...options,
    fetch: async (url, init) => {
      const path = new URL(url).pathname;
      sent.push(path);
      if (state.isDown) throw new Error('connection refused');
      const answer = await handle(new Request(url, init), isolate.env);
      advance(state.answersTakeMs);
      if (state.losesAnswers) throw new Error('connection reset');
      return answer;
    },
  });
  clients.push(keystead);
  const request = (wanted: TransportRequest) => keystead.request(wanted);
  return { keystead, request, sent, state, calls: isolate.calls, settled: () => Promise.all(background.splice(0)) };
}

async function managementKey(role: string, tenantId?: string): Promise<{ id: string; secret: string }> {
  const body = { name: 'caller', role, ...(tenantId === undefined ? {} : { tenantId }) };
  return (await api('POST', '/management-keys', body)).body as { id: string; secret: string };
}

describe('a key that a process holds', () => {
  it('is verified without a request, and answered as the server answers', async () => {
    await leased('cl-same');
    await api('POST', '/tenants/cl-same/owners', { id: 'o', metadata: { plan: 'pro' } });
    const keys = [
      await createKey('cl-same', { scopes: ['a:*'], metadata: { team: 'billing' }, owner: 'o' }),
      await createKey('cl-same', { expiresAt: at(START + 3_600_000) }),
      await createKey('cl-same', { name: 'key \u{1f511}' }),
    ];
    const { key: successor } = await rotateKey('cl-same', keys[2]?.id ?? '');
    const { keystead, sent } = process();
    const { keystead: other } = process({ leases: false });
    for (const { secret } of [...keys, successor]) {
      for (const scopes of [[], ['a:b'], ['c']]) {
        const byServer = await other.verify(secret, { scopes });
        const asked = await keystead.verify(secret, { scopes });
        const requests = sent.length;
        const held = await keystead.verify(secret, { scopes });
        expect(asked).toEqual(byServer);
        expect(held).toEqual(byServer);
        if (byServer.code === 'VALID') expect(sent.length).toBe(requests);
      }
    }
    expect(sent.length).toBeLessThanOrEqual(keys.length + 1);
  });

  it('expires by the clock of the server, to the millisecond', async () => {
    await leased('cl-expiry');
    const { secret } = await createKey('cl-expiry', { expiresAt: at(START + 5 * SECOND) });
    const { keystead, sent } = process();
    await keystead.verify(secret);
    advance(5 * SECOND - 1);
    expect((await keystead.verify(secret)).code).toBe('VALID');
    advance(1);
    expect((await keystead.verify(secret)).code).toBe('EXPIRED');
    expect(sent).toEqual(['/v1/keys/verify']);
  });

  it('expires by the clock of the server when that of the process is an hour behind', async () => {
    await leased('cl-behind');
    const { secret } = await createKey('cl-behind', { expiresAt: at(START + 5 * SECOND) });
    const { request, sent } = process();
    const behind = { now: () => Date.now() - 3_600_000, timesSetBack: 0 };
    const verifier = new LeasedVerifier({ request }, { waitUntil: vi.fn() }, behind);
    expect((await verifier.verify(secret)).code).toBe('VALID');
    advance(5 * SECOND - 1);
    expect((await verifier.verify(secret)).code).toBe('VALID');
    advance(1);
    expect((await verifier.verify(secret)).code).toBe('EXPIRED');
    expect(sent.length).toBe(1);
  });

  it('has its lease counted from before the request, however long the answer takes', async () => {
    await leased('cl-slow');
    const { secret } = await createKey('cl-slow');
    const { keystead, sent, state } = process();
    const questions = () => sent.filter((path) => path === '/v1/keys/verify');
    state.answersTakeMs = 6 * SECOND;
    await keystead.verify(secret);
    advance(4 * SECOND - 1);
    await keystead.verify(secret);
    expect(questions().length).toBe(1);
    advance(1);
    await keystead.verify(secret);
    expect(questions().length).toBe(2);
  });

  it('gives answers that nobody can change', async () => {
    await leased('cl-frozen');
    const { secret } = await createKey('cl-frozen', { metadata: { a: [1] } });
    const { keystead } = process();
    for (const answer of [await keystead.verify(secret), await keystead.verify(secret)]) {
      expect(Object.isFrozen(answer) && Object.isFrozen(answer.metadata) && Object.isFrozen(answer.metadata?.a)).toBe(
        true,
      );
    }
  });

  it('costs a request when its lease has ended; others of its tenant are held again with it', async () => {
    await leased('cl-end');
    const [one, two] = [await createKey('cl-end'), await createKey('cl-end')];
    const { keystead, sent } = process();
    await keystead.verify(one.secret);
    await keystead.verify(two.secret);
    advance(10 * SECOND);
    await keystead.verify(one.secret);
    await keystead.verify(two.secret);
    expect(sent.length).toBe(3);
  });

  it('is renewed in the background when it is used shortly before the end', async () => {
    await leased('cl-renew');
    const { secret } = await createKey('cl-renew');
    const { keystead, sent, settled } = process();
    await keystead.verify(secret);
    for (let i = 0; i < 4; i++) {
      advance(10 * SECOND - 20);
      await keystead.verify(secret);
      await keystead.verify(secret);
      await settled();
    }
    expect(sent).toEqual(['/v1/keys/verify', ...Array(4).fill('/v1/leases/renew')]);
  });

  it('is asked for all the same when the caller wants a fresh answer, or names a limit', async () => {
    await leased('cl-asked');
    const { secret } = await createKey('cl-asked');
    const { keystead, sent } = process();
    for (let i = 0; i < 3; i++) await keystead.verify(secret, { fresh: true });
    for (let i = 0; i < 3; i++) await keystead.verify(secret, { limits: [{ name: 'calls' }] });
    expect(sent.length).toBe(6);
  });
});

describe('a change that has returned', () => {
  it('is seen by every process, though none was told', async () => {
    await createTenant('cl-revoked', { settings: { leaseSeconds: 1 } });
    const { id, secret } = await createKey('cl-revoked', { scopes: ['a'] });
    const processes = [process(), process(), process()];
    for (const { keystead } of processes) await keystead.verify(secret);
    await updateKey('cl-revoked', id, { scopes: ['b'] });
    // The clock of this test stands still while the change waits, so leases end when it goes on.
    advance(1100);
    for (const { keystead } of processes) expect((await keystead.verify(secret)).scopes).toEqual(['b']);
    await revokeKey('cl-revoked', id);
    advance(1100);
    for (const { keystead } of processes) expect((await keystead.verify(secret)).code).toBe('REVOKED');
  });

  it('of the management key leaves its holders nothing to verify by', async () => {
    await leased('cl-caller');
    const { secret } = await createKey('cl-caller');
    const caller = await managementKey('verifier');
    const { keystead, sent } = process({ token: caller.secret });
    for (let i = 0; i < 3; i++) expect((await keystead.verify(secret)).code).toBe('VALID');
    expect(sent.length).toBeLessThanOrEqual(2);
    // Ten seconds are left of the lease on the tenant, one of that on the caller.
    expect((await api('POST', `/management-keys/${caller.id}/revoke`)).status).toBe(200);
    advance(1100);
    expect(await errorOf(keystead.verify(secret))).toMatchObject({ status: 401 });
  });
});

describe('a process asks', () => {
  it('once for a key that many verify at the same time, and once when the lease of many has ended', async () => {
    await leased('cl-burst');
    const keys = await Promise.all([0, 1, 2, 3].map(() => createKey('cl-burst')));
    const { keystead, sent } = process({ leases: true });
    await Promise.all(Array.from({ length: 50 }, () => keystead.verify(keys[0]?.secret ?? '')));
    expect(sent.length).toBe(1);
    for (const { secret } of keys) await keystead.verify(secret);
    advance(10 * SECOND);
    const before = sent.length;
    const codes = await Promise.all(keys.flatMap(({ secret }) => [keystead.verify(secret), keystead.verify(secret)]));
    expect(codes.every(({ valid }) => valid)).toBe(true);
    expect(sent.length - before).toBe(1);
  });

  it('for itself what the answer to another that it waited for does not decide', async () => {
    await leased('cl-joined');
    const { id, secret } = await createKey('cl-joined', { scopes: ['a'] });
    const { keystead } = process({ leases: true });
    const asked = keystead.verify(secret, { scopes: ['a'] });
    // It waits for the call of the first, and wants something else.
    const waiting = keystead.verify(secret, { scopes: ['b'] });
    expect((await asked).code).toBe('VALID');
    expect((await waiting).code).toBe('INSUFFICIENT_SCOPES');
    expect((await getKey('cl-joined', id)).scopes).toEqual(['a']);
  });

  it('each time for a key with limits or credits, while the others of the tenant stay held', async () => {
    await leased('cl-limited');
    const { secret } = await createKey('cl-limited');
    const limited = await createKey('cl-limited', { rateLimits: [{ name: 'r', limit: 2, windowSeconds: 60 }] });
    const paid = await createKey('cl-limited', { credits: { remaining: 1, refill: null } });
    const { keystead, sent } = process();
    await keystead.verify(secret);
    const verify = async (key: string) => (await keystead.verify(key)).code;
    expect([await verify(limited.secret), await verify(limited.secret)]).toEqual(['VALID', 'VALID']);
    expect(await verify(limited.secret)).toBe('RATE_LIMITED');
    expect([await verify(paid.secret), await verify(paid.secret)]).toEqual(['VALID', 'INSUFFICIENT_CREDITS']);
    const requests = sent.length;
    expect(await verify(secret)).toBe('VALID');
    expect(sent.length).toBe(requests);
  });

  it('when its wall clock was set back', async () => {
    await leased('cl-back');
    const { secret } = await createKey('cl-back');
    const { keystead, sent } = process();
    await keystead.verify(secret);
    advance(-2 * SECOND);
    await keystead.verify(secret);
    expect(sent.length).toBe(2);
  });

  it('and fails when nobody answers and its lease has ended', async () => {
    await leased('cl-down');
    const { secret } = await createKey('cl-down');
    const { keystead, state, settled } = process();
    await keystead.verify(secret);
    state.isDown = true;
    advance(10 * SECOND - 10);
    expect((await keystead.verify(secret)).code).toBe('VALID');
    await settled();
    advance(10);
    expect(await errorOf(keystead.verify(secret))).toMatchObject({ code: 'network' });
    state.isDown = false;
    expect((await keystead.verify(secret)).code).toBe('VALID');
  });

  it.each(['', 'x', 'ks_\n', `ks_${'a'.repeat(92)}`, '\u{1f511}'.repeat(20), 'a'.repeat(1_000_000)])(
    'nobody about a text that is no key string (case %#)',
    async (text) => {
      const { keystead, sent } = process();
      expect(await keystead.verify(text)).toEqual({ valid: false, code: 'MALFORMED', warnings: [] });
      expect(sent).toEqual([]);
    },
  );
});

describe('an isolate', () => {
  it('passes on what is left of its lease, and asks the object before that is little', async () => {
    await leased('cl-passed');
    const { secret } = await createKey('cl-passed');
    const isolate = faultyEnv();
    const verify = async () => {
      const { keystead } = process({}, isolate);
      return await keystead.verify(secret);
    };
    await verify();
    advance(SECOND);
    for (let i = 0; i < 5; i++) await verify();
    expect(isolate.calls).toEqual(['verifyKey']);
    advance(SECOND);
    for (let i = 0; i < 5; i++) await verify();
    expect(isolate.calls).toEqual(['verifyKey', 'verifyKey']);
  });

  it('tells a confined caller nothing of another tenant, and makes no object of an unknown one', async () => {
    await leased('cl-mine');
    await leased('cl-other');
    const [mine, other] = [await createKey('cl-mine'), await createKey('cl-other')];
    const isolate = faultyEnv();
    const { keystead: admin } = process({}, isolate);
    await admin.verify(mine.secret);
    await admin.verify(other.secret);
    const { secret } = await managementKey('verifier', 'cl-mine');
    const { keystead } = process({ token: secret }, isolate);
    const renewBy = async (client: Keystead, tenantId: string) => {
      const body = { rules: 1, tenants: [{ tenantId, known: { epoch: 'e', seq: 0 } }] };
      const answer = await client.request({ method: 'POST', path: '/v1/leases/renew', body, idempotencyKey: false });
      return (answer.body as LeasesRenewResponse).tenants;
    };
    const renew = (tenantId: string) => renewBy(keystead, tenantId);
    expect(await keystead.verify(mine.secret)).toMatchObject({ code: 'VALID' });
    expect(await keystead.verify(other.secret)).toMatchObject({ code: 'NOT_FOUND' });
    expect((await renew('cl-mine'))[0]?.lease).toMatchObject({ changed: [] });
    expect(await renew('cl-other')).toEqual([{ tenantId: 'cl-other', lease: null, reported: null }]);
    isolate.calls.length = 0;
    expect(await renewBy(admin, 'cl-unknown')).toEqual([{ tenantId: 'cl-unknown', lease: null, reported: null }]);
    expect(isolate.calls).toEqual(['mayExist']);
  });
});

it('what a process has verified itself is reported when it ends, and counted once when reports are lost', async () => {
  await leased('cl-usage');
  await leased('cl-lost');
  const reported = await createKey('cl-usage');
  const lost = await createKey('cl-lost');
  const { keystead } = process();
  const { keystead: unlucky, state } = process();
  await keystead.verify(reported.secret);
  for (let i = 0; i < 2; i++) await unlucky.verify(lost.secret);
  advance(5 * SECOND);
  for (let i = 0; i < 4; i++) await keystead.verify(reported.secret, { cost: 3 });
  await keystead.verify(reported.secret, { scopes: ['no'] });
  await keystead.close();
  for (const isLost of ['the request', 'the answer', false, false]) {
    state.isDown = isLost === 'the request';
    state.losesAnswers = isLost === 'the answer';
    await unlucky.close();
  }
  // By the test's clock the tenants have been quiet, and the timers of their objects need real time.
  advance(QUIET_MS);
  await scheduler.wait(QUIET_MS + 500);
  const totalOf = async (tenantId: string) => {
    const { body } = await api('GET', `/tenants/${tenantId}/usage?interval=month`);
    const { data } = body as { data: { verifications: number; units: number }[] };
    return data.map(({ verifications, units }) => ({ verifications, units }));
  };
  expect(await totalOf('cl-usage')).toEqual([{ verifications: 6, units: 13 }]);
  expect(await totalOf('cl-lost')).toEqual([{ verifications: 2, units: 2 }]);
  expect((await getKey('cl-usage', reported.id)).lastUsedAt).toBe(at(START));
});

it('keeps within its memory, and asks for what it has forgotten', async () => {
  await leased('cl-memory');
  const created = await api('POST', '/tenants/cl-memory/keys/bulk', {
    keys: Array.from({ length: 150 }, (_, i) => ({ name: `key ${i}`, metadata: { text: 'x'.repeat(500) } })),
  });
  const secrets = (created.body as { data: { secret: string }[] }).data.map(({ secret }) => secret);
  const { keystead, sent } = process({ leases: { maxBytes: 400_000, waitUntil: vi.fn() } });
  for (let round = 0; round < 2; round++) {
    for (const secret of secrets) expect((await keystead.verify(secret)).valid).toBe(true);
  }
  const requests = sent.length;
  expect(requests).toBeGreaterThan(200);
  for (const secret of secrets.slice(-20)) await keystead.verify(secret);
  expect(sent.length).toBe(requests);
});
