/**
 * The table "Who can do what with what" in `docs/security.md`: somebody who reads or writes the databases
 * and has none of the secrets.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { formatKeyString, parseKeyString } from '../../domain/key-string/key-string.ts';
import { verification } from '../../src/api/verification/schemas.ts';
import { logged } from '../http/client.ts';
import { api, createKey, createTenant, problemCode, revokeKey, rotateKey, verify, walk } from '../support/api.ts';
import { as, LEASES_OVER_MS, managementKey } from '../support/callers.ts';
import { advance, hurryTimers, pretendTime } from '../support/clock.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { hashOf, importKey } from '../support/foreign-keys.ts';
import { evict, sqlIn } from '../support/objects.ts';
import { buffer, everythingStored, insertKey, renameTenant, storedKey } from './attacker.ts';

pretendTime();
hurryTimers();
afterEach(() => {
  vi.restoreAllMocks();
});

const codeOf = async (key: string, input: object = {}) => (await verify(key, input)).code;

/** The parts of a key string that contain a secret. */
function partsOf(secret: string) {
  const parsed = parseKeyString(secret);
  if (parsed === null) throw new Error('no key string');
  return parsed;
}

/** A key string with some of its bytes changed and a correct checksum. */
function withBytes(secret: string, at: number, bytes: Uint8Array): string {
  const { prefix, bytes: own } = partsOf(secret);
  const changed = new Uint8Array(own);
  changed.set(bytes, at);
  return formatKeyString(prefix, changed);
}

const ID_AT = 20;
const SIGNATURE_AT = 52;

describe('a copy of the database', () => {
  it('contains no key string, whole or in part, wherever it was used', async () => {
    await createTenant('copy', { settings: { allowReveal: true } });
    const key = await createKey('copy');
    const { key: successor } = await rotateKey('copy', key.id);
    const kept = await api('POST', '/tenants/copy/keys', { name: 'kept' }, { 'Idempotency-Key': 'k' });
    const shown = await api('POST', `/tenants/copy/keys/${key.id}/reveal`);
    const anySecret = v.object({ secret: v.string() });
    const secrets = [key, successor, v.parse(anySecret, kept.body), v.parse(anySecret, shown.body)];
    const stored = await everythingStored('copy');
    const texts = stored.map((value) =>
      value instanceof ArrayBuffer ? String.fromCharCode(...new Uint8Array(value)) : String(value),
    );
    for (const { secret } of secrets) {
      const { bytes } = partsOf(secret);
      for (const part of [bytes.slice(32, 52), bytes.slice(SIGNATURE_AT)].map((part) => String.fromCharCode(...part))) {
        const forms = [part, btoa(part), secret.slice(-50, -10)];
        expect(texts.filter((text) => forms.some((form) => text.includes(form)))).toEqual([]);
      }
    }
  });

  it('has an envelope only in its record: deleting or resealing that leaves no other copy', async () => {
    await createTenant('alone', { settings: { allowReveal: true } });
    const key = await createKey('alone');
    await api('POST', `/tenants/alone/keys/${key.id}/reveal`);
    await api('POST', `/tenants/alone/keys/${key.id}/reveal`, {}, { 'Idempotency-Key': 'r' });
    const { envelope } = await storedKey('alone', key.id);
    const text = btoa(String.fromCharCode(...(envelope ?? [])));
    expect(text.length).toBeGreaterThan(100);
    const stored = await everythingStored('alone');
    expect(stored.filter((value) => typeof value === 'string' && value.includes(text.slice(0, 60)))).toEqual([]);
  });

  it('gives no key that verifies, and nothing to compute one from', async () => {
    await createTenant('compute');
    const [victim, own] = [await createKey('compute'), await createKey('compute')];
    const { digest, envelope } = await storedKey('compute', victim.id);
    const victimId = partsOf(victim.secret).bytes.slice(ID_AT, ID_AT + 12);
    const ofVictim = withBytes(own.secret, ID_AT, victimId);
    const guesses = [
      ofVictim,
      withBytes(ofVictim, SIGNATURE_AT, digest.slice(0, 12)),
      withBytes(ofVictim, SIGNATURE_AT, digest.slice(8)),
      withBytes(withBytes(ofVictim, 32, digest), SIGNATURE_AT, digest.slice(0, 12)),
      withBytes(ofVictim, SIGNATURE_AT, (envelope ?? digest).slice(-12)),
      withBytes(victim.secret, SIGNATURE_AT, digest.slice(0, 12)),
      formatKeyString('ksm', partsOf(own.secret).bytes),
    ];
    for (const guess of guesses) expect(await codeOf(guess)).toBe('FORGED');
    const noKeyAtAll = formatKeyString('ks', (envelope ?? digest).slice(-64));
    expect(['MALFORMED', 'FORGED']).toContain(await codeOf(noKeyAtAll));
  });
});

describe('a copy of the database', () => {
  it('has no hash of an imported key, nor anything else by which a guess could be checked', async () => {
    await createTenant('copy-imported');
    await importKey('copy-imported', 'weak');
    const hash = await hashOf('weak');
    const bytes = (hash.value.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
    const forms = ['weak', hash.value.slice(0, 16), (await hashOf('weak', 'base64')).value.slice(0, 16)];
    forms.push(String.fromCharCode(...bytes.slice(0, 8)));
    const texts = (await everythingStored('copy-imported')).map((value) =>
      value instanceof ArrayBuffer ? String.fromCharCode(...new Uint8Array(value)) : String(value),
    );
    for (const form of forms) expect(texts.filter((text) => text.includes(form))).toEqual([]);
  });
});

describe('write access to the database', () => {
  it('cannot add an imported key, nor bring one from another tenant', async () => {
    const [from, to] = ['import-from', 'import-to'];
    for (const id of [from, to]) await createTenant(id);
    const { id } = await importKey(from, 'mine');
    const plant = async (keyId: string, digest: Uint8Array) => {
      await insertKey(to, { id: keyId, prefix: '', digest });
      await sqlIn(to, "UPDATE keys SET hint = '...' WHERE id = ?", keyId);
    };
    await plant(id, (await storedKey(from, id)).digest);
    expect(await codeOf('mine', { tenantId: to })).toBe('NOT_FOUND');
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode('other'));
    await plant(`key_${'1'.repeat(17)}`, new Uint8Array(hash, 0, 20));
    expect(await codeOf('other', { tenantId: to })).toBe('NOT_FOUND');
    expect(await codeOf('mine', { tenantId: from })).toBe('VALID');
  });

  it('can make an imported key string stand for another record of its tenant', async () => {
    await createTenant('import-moved');
    const [mine, other] = [await importKey('import-moved', 'mine'), await importKey('import-moved', 'other')];
    const { digest } = await storedKey('import-moved', mine.id);
    await sqlIn('import-moved', 'DELETE FROM keys WHERE id = ?', mine.id);
    await sqlIn('import-moved', 'UPDATE keys SET digest = ? WHERE id = ?', buffer(digest), other.id);
    expect((await verify('mine', { tenantId: 'import-moved' })).keyId).toBe(other.id);
  });

  it('can reactivate a revoked key, widen a key that the attacker holds, and remove audit entries', async () => {
    await createTenant('writer');
    const [revoked, narrow] = [await createKey('writer'), await createKey('writer', { scopes: ['a'] })];
    await revokeKey('writer', revoked.id);
    await sqlIn('writer', 'UPDATE keys SET revoked_at = NULL WHERE id = ?', revoked.id);
    await sqlIn('writer', `UPDATE keys SET scopes = '["*"]' WHERE id = ?`, narrow.id);
    await sqlIn('writer', "DELETE FROM audit WHERE action = 'key.revoke'");
    expect(await codeOf(revoked.secret)).toBe('VALID');
    expect(await codeOf(narrow.secret, { scopes: ['anything:else'] })).toBe('VALID');
    expect(await walk(`/tenants/writer/audit?keyId=${revoked.id}&action=key.revoke`)).toEqual([]);
    const { id, secret } = await managementKey({ role: 'verifier', tenantId: 'writer' });
    await sqlIn('_system', `UPDATE keys SET owner = NULL, metadata = '{"role":"owner"}' WHERE id = ?`, id);
    expect((await api('GET', '/audit', undefined, as(secret))).status).toBe(200);
  });

  it('cannot mint a key, because a row alone has no key string', async () => {
    await createTenant('mint');
    const own = await createKey('mint');
    const idBytes = new Uint8Array(12).fill(7);
    const planted = withBytes(own.secret, ID_AT, idBytes);
    await insertKey('mint', { ...partsOf(planted), id: partsOf(planted).id, prefix: 'ks', digest: new Uint8Array(20) });
    expect(await codeOf(planted)).toBe('FORGED');
    const { digest } = await storedKey('mint', own.id);
    await sqlIn('mint', 'UPDATE keys SET digest = ? WHERE id = ?', buffer(digest), partsOf(planted).id);
    expect(await codeOf(planted)).toBe('FORGED');
    // A customer's key, written among the management keys, opens nothing.
    await managementKey({ role: 'verifier' });
    await insertKey('_system', { id: own.id, prefix: 'ks', digest }, '{"role":"owner"}');
    expect((await api('GET', '/tenants', undefined, as(own.secret))).status).toBe(401);
  });

  it('cannot make a key string stand for another record', async () => {
    await createTenant('swap');
    const [a, b] = [await createKey('swap'), await createKey('swap', { scopes: ['*'] })];
    const [ofA, ofB] = [await storedKey('swap', a.id), await storedKey('swap', b.id)];
    await sqlIn('swap', 'UPDATE keys SET digest = ? WHERE id = ?', buffer(ofB.digest), a.id);
    await sqlIn('swap', 'UPDATE keys SET digest = ? WHERE id = ?', buffer(ofA.digest), b.id);
    expect([await codeOf(a.secret), await codeOf(b.secret)]).toEqual(['NOT_FOUND', 'NOT_FOUND']);
  });

  it('cannot open an envelope, wherever it is moved', async () => {
    const settings = { allowReveal: true };
    await createTenant('env-a', { settings });
    await createTenant('env-b', { settings });
    const [victim, own] = [await createKey('env-a'), await createKey('env-a')];
    const stored = await storedKey('env-a', victim.id);
    const envelope = stored.envelope ?? new Uint8Array();
    const reveal = (tenant: string, id: string) => problemCode(api('POST', `/tenants/${tenant}/keys/${id}/reveal`));
    await sqlIn('env-a', 'UPDATE keys SET envelope = ? WHERE id = ?', buffer(envelope), own.id);
    expect(await reveal('env-a', own.id)).toBe('not_recoverable');
    await insertKey('env-b', { id: victim.id, prefix: 'ks', digest: stored.digest, envelope });
    expect(await reveal('env-b', victim.id)).toBe('not_recoverable');
    // Responses stored for an Idempotency-Key: one moved to a request of the attacker's, and one replaced by a key's
    // envelope.
    const keep = (key: string, tenant = 'env-a') =>
      api('POST', `/tenants/${tenant}/keys`, { name: 'k' }, { 'Idempotency-Key': key });
    await keep('victim');
    await keep('own');
    const move = 'UPDATE idempotency SET sealed_secrets = ? WHERE seq = (SELECT max(seq) FROM idempotency)';
    const [sealed] = await sqlIn('env-a', 'SELECT sealed_secrets AS it FROM idempotency ORDER BY seq LIMIT 1');
    await sqlIn('env-a', move, sealed?.it ?? null);
    expect(await problemCode(keep('own'))).toBe('not_recoverable');
    await sqlIn('env-a', move, buffer(envelope));
    expect(await problemCode(keep('own'))).toBe('not_recoverable');
    await keep('own', 'env-b');
    await sqlIn('env-b', move, sealed?.it ?? null);
    expect(await problemCode(keep('own', 'env-b'))).toBe('not_recoverable');
  });

  it('cannot move a key to another tenant by copying its row', async () => {
    await createTenant('from');
    await createTenant('to');
    const key = await createKey('from');
    await insertKey('to', { id: key.id, prefix: 'ks', digest: (await storedKey('from', key.id)).digest });
    expect(await verify(key.secret)).toMatchObject({ code: 'VALID', tenantId: 'from' });
    expect(await codeOf(key.secret, { tenantId: 'to' })).toBe('NOT_FOUND');
    await sqlIn('from', 'DELETE FROM keys');
    await evict('from');
    expect(await codeOf(key.secret)).toBe('NOT_FOUND');
  });

  it('cannot move a key to another tenant by renaming the tenant, leased or not', async () => {
    const log = logged();
    for (const leaseSeconds of [0, 1]) {
      const [mine, theirs] = [`renamed-${leaseSeconds}`, `theirs-${leaseSeconds}`];
      await createTenant(mine, { settings: { leaseSeconds } });
      await createTenant(theirs);
      const confined = await managementKey({ role: 'verifier', tenantId: theirs });
      const key = await createKey(mine);
      await renameTenant(mine, theirs);
      const { env: isolate, calls } = faultyEnv();
      const ask = async (input: object = {}, headers = {}) => {
        const { body } = await apiWith(isolate, 'POST', '/keys/verify', { key: key.secret, ...input }, headers);
        return v.parse(verification, body);
      };
      for (const input of [{}, {}, { fresh: true }, { tenantId: theirs }, { tenantId: mine }]) {
        expect(await ask(input), JSON.stringify(input)).toEqual({ valid: false, code: 'NOT_FOUND', warnings: [] });
      }
      expect((await ask({}, as(confined.secret))).code).toBe('NOT_FOUND');
      // Nothing was leased meanwhile: each verification that the locator does not settle called the object.
      expect(calls.filter((method) => method === 'verifyKey').length).toBeGreaterThanOrEqual(4);
    }
    expect(log.join()).toContain('tenant_in_wrong_place');
  });

  it("cannot turn another tenant's keys into management keys by renaming that tenant", async () => {
    logged();
    const { secret } = await managementKey({ role: 'owner' });
    await createTenant('posing');
    const status = async () => (await api('GET', '/tenants', undefined, as(secret))).status;
    expect(await status()).toBe(200);
    advance(LEASES_OVER_MS);
    await renameTenant('_system', 'posing');
    expect([await status(), await status()]).toEqual([401, 401]);
    // A tenant that claims to be the management keys' tenant does not make its keys management keys either.
    const own = await createKey('posing');
    await sqlIn('posing', `UPDATE keys SET metadata = '{"role":"owner"}'`);
    await renameTenant('posing', '_system');
    expect((await api('GET', '/tenants', undefined, as(own.secret))).status).toBe(401);
    await sqlIn('_system', "UPDATE tenant SET id = '_system'");
    advance(LEASES_OVER_MS);
    await evict('_system');
    expect(await status()).toBe(200);
    expect((await api('GET', '/tenants', undefined, as(env.ADMIN_TOKEN ?? ''))).status).toBe(200);
  });
});
