/** Imported keys under leases, what verifying them costs, and keyrings with several entries. */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { verification } from '../../src/api/verification/schemas.ts';
import type { Env } from '../../src/env.ts';
import { base64Secret } from '../crypto/rings.ts';
import { createTenant, deleteKey, problemCode, revokeKey, verify } from '../support/api.ts';
import { advance, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { hashOf, importInto, importKey } from '../support/foreign-keys.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

/** An isolate of the Worker, which holds its own leases and counts its calls. */
function isolate(changes: Partial<Env> = {}) {
  const { env: watched, calls } = faultyEnv();
  const own = { ...watched, ...changes };
  return {
    calls,
    env: own,
    async verify(key: string, tenantId: string, input: object = {}) {
      return v.parse(verification, (await apiWith(own, 'POST', '/keys/verify', { key, tenantId, ...input })).body);
    },
  };
}

async function duration(call: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await call();
  return performance.now() - startedAt;
}

const leased = (tenantId: string, settings: object = {}) =>
  createTenant(tenantId, { settings: { leaseSeconds: 1, retentionSeconds: 1_000_000, ...settings } });

describe('an imported key', () => {
  it('is verified without an object call while it is leased, whatever its characters', async () => {
    await leased('f-calls');
    for (const text of ['sk_live_1', 'ключ 🔑']) {
      const { id } = await importKey('f-calls', text, { scopes: ['a'] });
      const edge = isolate();
      const first = await edge.verify(text, 'f-calls');
      expect(first).toMatchObject({ code: 'VALID', keyId: id });
      for (let i = 0; i < 5; i++) expect(await edge.verify(text, 'f-calls')).toEqual(first);
      expect((await edge.verify(text, 'f-calls', { scopes: ['b'] })).code).toBe('INSUFFICIENT_SCOPES');
      expect(edge.calls).toEqual(['verifyForeignKey']);
      await edge.verify(text, 'f-calls', { fresh: true });
      expect(edge.calls.length).toBe(2);
      advance(1000);
      await edge.verify(text, 'f-calls');
      expect(edge.calls.length).toBe(3);
    }
  });

  it('is asked about once in a burst, also the first time', async () => {
    await leased('f-burst');
    await importKey('f-burst', 'one');
    await importKey('f-burst', 'two');
    const edge = isolate();
    await edge.verify('one', 'f-burst');
    const burst = await Promise.all(Array.from({ length: 20 }, () => edge.verify('two', 'f-burst')));
    expect(new Set(burst.map(({ code }) => code))).toEqual(new Set(['VALID']));
    expect(edge.calls.length).toBe(2);
  });

  it('in one tenant is not taken for the same key string in another', async () => {
    await leased('f-one');
    await leased('f-two');
    const { id } = await importKey('f-one', 'same');
    const edge = isolate();
    expect((await edge.verify('same', 'f-one')).keyId).toBe(id);
    expect((await edge.verify('same', 'f-two')).code).toBe('NOT_FOUND');
    const other = await importKey('f-two', 'same');
    expect((await edge.verify('same', 'f-two')).keyId).toBe(other.id);
    expect((await edge.verify('same', 'f-one')).keyId).toBe(id);
  });

  it('that is unknown costs one call each time and leaves nothing behind', async () => {
    await leased('f-unknown');
    await importKey('f-unknown', 'known');
    const edge = isolate();
    for (let i = 0; i < 5; i++) expect((await edge.verify('unknown', 'f-unknown')).code).toBe('NOT_FOUND');
    expect(edge.calls.length).toBe(5);
    const key = await importKey('f-unknown', 'unknown');
    expect((await edge.verify('unknown', 'f-unknown')).keyId).toBe(key.id);
  });

  it('costs no call where no tenant is named, or where the text can be no foreign key', async () => {
    await leased('f-none');
    const edge = isolate();
    const { body } = await apiWith(edge.env, 'POST', '/keys/verify', { key: 'text' });
    expect(body).toMatchObject({ code: 'MALFORMED' });
    expect((await edge.verify('x'.repeat(513), 'f-none')).code).toBe('MALFORMED');
    expect(edge.calls).toEqual([]);
  });
});

describe('an import that brings a hash back', () => {
  it('waits for leases on the key that had it, also when that one was purged without waiting', async () => {
    await leased('f-purged', { leaseSeconds: 2, retentionSeconds: 60 });
    const old = await importKey('f-purged', 'back');
    await importKey('f-purged', 'other');
    await revokeKey('f-purged', old.id);
    advance(61_000);
    // Takes the REVOKED answer under a lease, just before an alarm removes the key.
    const edge = isolate();
    await edge.verify('other', 'f-purged');
    expect((await edge.verify('back', 'f-purged')).code).toBe('REVOKED');
    const calls = edge.calls.length;
    await runDueAlarm('f-purged');
    expect((await edge.verify('back', 'f-purged')).code).toBe('REVOKED');
    expect(edge.calls.length).toBe(calls);
    expect(await duration(() => importKey('f-purged', 'new'))).toBeLessThan(1000);
    expect(await duration(() => importKey('f-purged', 'back'))).toBeGreaterThan(2000);
  });

  it('waits as long as the deletion of the key that had it', async () => {
    await leased('f-deleting', { leaseSeconds: 3 });
    const old = await importKey('f-deleting', 'back');
    await isolate().verify('back', 'f-deleting');
    await isolate().verify('back', 'f-deleting');
    const deletion = deleteKey('f-deleting', old.id);
    await scheduler.wait(50);
    expect(await duration(() => importKey('f-deleting', 'back'))).toBeGreaterThan(1500);
    await deletion;
  });

  it('waits for none when the deletion has waited, and the new key is found', async () => {
    await leased('f-deleted');
    const old = await importKey('f-deleted', 'back');
    const edge = isolate();
    await edge.verify('back', 'f-deleted');
    await edge.verify('back', 'f-deleted');
    await deleteKey('f-deleted', old.id);
    advance(1200);
    const key = await importKey('f-deleted', 'back');
    expect((await edge.verify('back', 'f-deleted')).keyId).toBe(key.id);
  });

  it('waits after a restart, when an earlier instance may have removed the key', async () => {
    await leased('f-restart');
    await importKey('f-restart', 'there');
    await sqlIn('f-restart', 'UPDATE tenant SET leases_out = 1');
    await evict('f-restart');
    expect(await duration(() => importKey('f-restart', 'back'))).toBeGreaterThan(1045);
    advance(1200);
    expect(await duration(() => importKey('f-restart', 'next'))).toBeLessThan(1000);
  });
});

describe('rotating HMAC_SECRET', () => {
  const newer = { HMAC_SECRET: `2:${base64Secret(2)},${env.HMAC_SECRET}` };

  it('keeps imported keys working as long as the entry that made their digest is in the keyring', async () => {
    await leased('f-hmac');
    const old = await importKey('f-hmac', 'old');
    const edge = isolate(newer);
    const keys = [{ name: 'new', hash: await hashOf('new') }];
    expect((await apiWith(edge.env, 'POST', '/tenants/f-hmac/keys/import', { keys })).status).toBe(201);
    for (let i = 0; i < 2; i++) expect((await edge.verify('old', 'f-hmac')).keyId).toBe(old.id);
    expect((await edge.verify('new', 'f-hmac')).code).toBe('VALID');
    expect((await verify('new', { tenantId: 'f-hmac' })).code).toBe('NOT_FOUND');
    const { body } = await apiWith(edge.env, 'GET', '/tenants/f-hmac/encryption');
    expect(body).toMatchObject({ currentSignature: '2', signatures: { 1: 1, 2: 1 } });
    const without = isolate({ HMAC_SECRET: `2:${base64Secret(2)}` });
    expect((await without.verify('old', 'f-hmac')).code).toBe('NOT_FOUND');
    expect((await without.verify('new', 'f-hmac')).code).toBe('VALID');
  });

  it('does not let a hash be imported twice', async () => {
    await leased('f-hmac-twice');
    await importKey('f-hmac-twice', 'old');
    const keys = [{ name: 'again', hash: await hashOf('old', 'base64') }];
    const again = apiWith(isolate(newer).env, 'POST', '/tenants/f-hmac-twice/keys/import', { keys });
    expect(await problemCode(again)).toBe('hash_exists');
    expect((await importInto('f-hmac-twice', keys)).status).toBe(409);
  });
});
