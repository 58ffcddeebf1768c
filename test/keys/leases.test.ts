/**
 * Leases from a caller's view: verifications without an object call, changes that wait, and nothing leased that must
 * not be.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { verification } from '../../src/api/verification/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  getKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
} from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { evict, sqlIn } from '../support/objects.ts';

pretendTime();

/** An isolate of the Worker, which holds its own leases and counts its calls. */
function isolate() {
  const { env: watched, calls } = faultyEnv();
  return {
    calls,
    async verify(key: string, input: object = {}) {
      const { body } = await apiWith(watched, 'POST', '/keys/verify', { key, ...input });
      return v.parse(verification, body);
    },
  };
}

/** How long a call took in real time (ms), which passes while the test's clock stands still. */
async function duration(call: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await call();
  return performance.now() - startedAt;
}

const leased = (tenantId: string, leaseSeconds = 1) =>
  createTenant(tenantId, { settings: { leaseSeconds, retentionSeconds: 1_000_000 } });

describe('a leased key', () => {
  it('is verified without an object call until the lease ends, scopes included', async () => {
    await leased('l-calls');
    const { secret } = await createKey('l-calls', { scopes: ['a'] });
    const edge = isolate();
    const first = await edge.verify(secret);
    for (let i = 0; i < 5; i++) expect(await edge.verify(secret)).toEqual(first);
    expect((await edge.verify(secret, { scopes: ['b'] })).code).toBe('INSUFFICIENT_SCOPES');
    expect(edge.calls).toEqual(['verifyKey']);
    advance(999);
    await edge.verify(secret);
    expect(edge.calls.length).toBe(1);
    advance(1);
    await edge.verify(secret);
    expect(edge.calls.length).toBe(2);
  });

  it('is verified by the object when the request wants a fresh result or the tenant has no leases', async () => {
    await leased('l-fresh');
    await leased('l-none', 0);
    const [a, b] = [await createKey('l-fresh'), await createKey('l-none')];
    const edge = isolate();
    for (let i = 0; i < 3; i++) await edge.verify(a.secret, { fresh: true });
    for (let i = 0; i < 3; i++) await edge.verify(b.secret);
    expect(edge.calls.length).toBe(6);
  });

  it('expires, and its grace ends, to the millisecond', async () => {
    await leased('l-time', 10);
    const expiring = await createKey('l-time', { expiresAt: at(START + 3000) });
    const rotated = await createKey('l-time');
    await rotateKey('l-time', rotated.id, { gracePeriodSeconds: 4 });
    const edge = isolate();
    expect([(await edge.verify(expiring.secret)).code, (await edge.verify(rotated.secret)).code]).toEqual([
      'VALID',
      'VALID',
    ]);
    advance(2999);
    expect((await edge.verify(expiring.secret)).code).toBe('VALID');
    advance(1);
    expect((await edge.verify(expiring.secret)).code).toBe('EXPIRED');
    expect((await edge.verify(rotated.secret)).warnings).toMatchObject([{ code: 'key_rotated' }]);
    advance(1000);
    expect((await edge.verify(rotated.secret)).code).toBe('ROTATED');
    expect(edge.calls.length).toBe(2);
  });

  it('is refused without a call when it was altered', async () => {
    await leased('l-altered');
    const { secret } = await createKey('l-altered');
    const edge = isolate();
    await edge.verify(secret);
    expect((await edge.verify(`${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`)).code).toBe('MALFORMED');
    expect(edge.calls.length).toBe(1);
  });

  it('is used once more in each minute than the object sees, and the next call reports it', async () => {
    await leased('l-used');
    const [key, other] = [await createKey('l-used'), await createKey('l-used')];
    const edge = isolate();
    advance(59_500);
    await edge.verify(key.secret);
    advance(600);
    await edge.verify(key.secret);
    expect((await getKey('l-used', key.id)).lastUsedAt).toBe(at(START));
    advance(300);
    await edge.verify(other.secret);
    expect((await getKey('l-used', key.id)).lastUsedAt).toBe(at(START + 60_000));
    expect(edge.calls).toEqual(['verifyKey', 'verifyKey']);
  });

  it('reports its uses before the lease ends when nothing else calls the object', async () => {
    await leased('l-quiet', 3);
    const key = await createKey('l-quiet');
    const edge = isolate();
    advance(58_000);
    await edge.verify(key.secret);
    advance(2600);
    await edge.verify(key.secret);
    await scheduler.wait(700);
    expect((await getKey('l-quiet', key.id)).lastUsedAt).toBe(at(START + 60_000));
    expect(edge.calls).toEqual(['verifyKey', 'renewLease']);
  });

  it('keeps the lease on all keys of its tenant alive, by any call to the object', async () => {
    await leased('l-renewed');
    const keys = [await createKey('l-renewed'), await createKey('l-renewed'), await createKey('l-renewed')];
    const edge = isolate();
    for (const { secret } of keys) await edge.verify(secret);
    expect(edge.calls.length).toBe(3);
    for (let second = 0; second < 5; second++) {
      advance(1000);
      for (const { secret } of keys) expect((await edge.verify(secret)).code).toBe('VALID');
      expect(edge.calls.length).toBe(4 + second);
    }
  });

  it('makes one call in a burst at the moment when the lease has ended', async () => {
    await leased('l-burst');
    const keys = await Promise.all(Array.from({ length: 20 }, () => createKey('l-burst')));
    const edge = isolate();
    for (const { secret } of keys) await edge.verify(secret);
    advance(1000);
    const burst = Array.from({ length: 50 }, () => keys.map(({ secret }) => edge.verify(secret))).flat();
    expect(new Set((await Promise.all(burst)).map(({ code }) => code))).toEqual(new Set(['VALID']));
    expect(edge.calls.length).toBe(21);
  });
});

describe('refusals', () => {
  it('are leased only when they are final', async () => {
    await leased('l-refused');
    const disabled = await createKey('l-refused', { enabled: false });
    const expired = await createKey('l-refused', { expiresAt: at(START + 1) });
    const revoked = await createKey('l-refused');
    await revokeKey('l-refused', revoked.id);
    advance(1);
    const edge = isolate();
    const ask = async (secret: string) => {
      const before = edge.calls.length;
      for (let i = 0; i < 3; i++) await edge.verify(secret);
      return edge.calls.length - before;
    };
    expect(await ask(disabled.secret)).toBe(3);
    expect(await ask(expired.secret)).toBe(3);
    expect(await ask(revoked.secret)).toBe(1);
    await api('PATCH', '/tenants/l-refused', { status: 'disabled' });
    const other = isolate();
    for (let i = 0; i < 3; i++) expect((await other.verify(revoked.secret)).code).toBe('TENANT_DISABLED');
    expect(other.calls.length).toBe(3);
  });
});

describe('a change', () => {
  it('waits for the lease on its key plus a margin, and not at all when the key has none', async () => {
    await leased('l-wait');
    const [verified, idle] = [await createKey('l-wait'), await createKey('l-wait')];
    await verify(verified.secret);
    expect(await duration(() => updateKey('l-wait', idle.id, { name: 'x' }))).toBeLessThan(500);
    // The lease and its margin.
    expect(await duration(() => updateKey('l-wait', verified.id, { name: 'x' }))).toBeGreaterThan(1045);
  });

  it('is committed at once for everybody who calls the object, while its caller waits', async () => {
    await leased('l-commit');
    const key = await createKey('l-commit');
    await verify(key.secret);
    const revoking = revokeKey('l-commit', key.id);
    let isReturned = false;
    void revoking.then(() => {
      isReturned = true;
    });
    const edge = isolate();
    let code = 'VALID';
    for (let i = 0; i < 20 && code === 'VALID'; i++) ({ code } = await edge.verify(key.secret, { fresh: true }));
    expect(code).toBe('REVOKED');
    expect(isReturned).toBe(false);
    await revoking;
  });

  it('that was already made waits for the first one, and so does a replay', async () => {
    await leased('l-again');
    const key = await createKey('l-again');
    await verify(key.secret);
    const startedAt = performance.now();
    const idem = { 'Idempotency-Key': 'k' };
    const path = `/tenants/l-again/keys/${key.id}/revoke`;
    const calls = [api('POST', path, {}, idem), api('POST', path, {}, idem), api('POST', path)];
    const ends = await Promise.all(
      calls.map(async (call) => [(await call).status, performance.now() - startedAt] as const),
    );
    for (const [status, took] of ends) {
      expect(status).toBe(200);
      expect(took).toBeGreaterThan(1000);
    }
  });

  it('of the whole tenant waits for all of its keys', async () => {
    await leased('l-tenant');
    await verify((await createKey('l-tenant')).secret);
    expect(await duration(() => api('PATCH', '/tenants/l-tenant', { status: 'disabled' }))).toBeGreaterThan(1000);
    await leased('l-gone');
    await verify((await createKey('l-gone')).secret);
    expect(await duration(() => api('DELETE', '/tenants/l-gone'))).toBeGreaterThan(1000);
  });

  it('waits after a restart when a lease may be out, because it is not known on which key', async () => {
    await leased('l-restart');
    const key = await createKey('l-restart');
    await evict('l-restart');
    expect(await duration(() => updateKey('l-restart', key.id, { name: 'x' }))).toBeLessThan(500);
    // Simulates a crash, because the test runtime evicts no object that has a timer running.
    await sqlIn('l-restart', 'UPDATE tenant SET leases_out = 1');
    await evict('l-restart');
    const [reading, changing] = await Promise.all([
      duration(() => getKey('l-restart', key.id)),
      duration(() => updateKey('l-restart', key.id, { name: 'y' })),
    ]);
    expect(changing).toBeGreaterThan(1045);
    // The response may disclose a change that the earlier instance made.
    expect(reading).toBeGreaterThan(1045);
  });

  it('that shortens leases waits for the long ones, also after a restart in between', async () => {
    await leased('l-shorter', 2);
    const key = await createKey('l-shorter');
    await verify(key.secret);
    expect(await duration(() => api('PATCH', '/tenants/l-shorter', { settings: { leaseSeconds: 0 } }))).toBeGreaterThan(
      2000,
    );
    await verify(key.secret);
    expect(await duration(() => updateKey('l-shorter', key.id, { name: 'x' }))).toBeLessThan(500);
  });

  it('that is refused does not wait', async () => {
    await leased('l-refuse');
    const key = await createKey('l-refuse');
    await verify(key.secret);
    const stale = () =>
      problemCode(api('PATCH', `/tenants/l-refuse/keys/${key.id}`, { name: 'x' }, { 'If-Match': '"9"' }));
    expect(await duration(stale)).toBeLessThan(500);
  });
});

describe('a tenant', () => {
  it('has leases of 0 to 10 whole seconds', async () => {
    for (const leaseSeconds of [-1, 11, 0.5, '1']) {
      expect(await problemCode(api('POST', '/tenants', { settings: { leaseSeconds } }))).toBe('validation_failed');
    }
    expect(env.TENANTS).toBeDefined();
  });
});
