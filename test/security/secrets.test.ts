/**
 * The table "Who can do what with what" in `docs/security.md`: somebody who has one of the secrets,
 * with and without the databases.
 */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { formatKeyString, parseKeyString } from '../../domain/key-string/key-string.ts';
import { locatorOf } from '../../domain/tenants/locator.ts';
import { CursorSigner } from '../../src/crypto/cursor.ts';
import { Sealer } from '../../src/crypto/envelope.ts';
import { ForeignKeyDigester } from '../../src/crypto/foreign-key-digest.ts';
import { KeySigner } from '../../src/crypto/key-signer.ts';
import { mintKey } from '../../src/crypto/mint-key.ts';
import { base64Secret, ringOf } from '../crypto/rings.ts';
import { api, createKey, createTenant, problemCode, verify, walk } from '../support/api.ts';
import { as, managementKey } from '../support/callers.ts';
import { apiWith, faultyEnv } from '../support/faults.ts';
import { importKey } from '../support/foreign-keys.ts';
import { sqlIn } from '../support/objects.ts';
import { TEST_SECRETS } from '../support/test-secrets.ts';
import { insertKey, storedKey } from './attacker.ts';

const hmac = ringOf(TEST_SECRETS.HMAC_SECRET);
const encryption = ringOf(TEST_SECRETS.ENCRYPTION_KEY);
const ownRing = ringOf(`1:${base64Secret(1)}`);
const codeOf = async (key: string) => (await verify(key)).code;

/** Mints as Keystead does, with a stolen signing secret and the attacker's own sealing secret. */
const forge = async (tenantId: string, prefix: string, ring = hmac) => {
  const secrets = { signer: new KeySigner(ring), sealer: new Sealer(ownRing) };
  return mintKey(secrets, tenantId, await locatorOf(tenantId), prefix, Date.now());
};

describe('HMAC_SECRET', () => {
  it('alone makes strings that pass the signature check, cost an object call and match no record', async () => {
    await createTenant('hmac');
    const key = await createKey('hmac');
    const { secret } = await forge('hmac', 'ks');
    const { env: isolate, calls } = faultyEnv();
    const { body } = await apiWith(isolate, 'POST', '/keys/verify', { key: secret });
    expect([body, calls]).toMatchObject([{ code: 'NOT_FOUND' }, ['verifyKey']]);
    // With the id of an existing key, which a list shows. Its stored digest is that of another key string.
    const known = parseKeyString(key.secret)?.bytes.slice(0, 32) ?? new Uint8Array();
    const signed = Uint8Array.from([...known, ...crypto.getRandomValues(new Uint8Array(20))]);
    const mac = await new KeySigner(hmac).sign(1, 'ks', signed);
    const posing = formatKeyString('ks', Uint8Array.from([...signed, ...(mac?.signature ?? [])]));
    expect(parseKeyString(posing)?.id).toBe(key.id);
    expect(await codeOf(posing)).toBe('NOT_FOUND');
    await managementKey({ role: 'verifier' });
    const caller = await forge('_system', 'ksm');
    expect((await api('GET', '/tenants', undefined, as(caller.secret))).status).toBe(401);
  });

  it('with a copy of the database checks guesses of imported keys', async () => {
    await createTenant('hmac-imported');
    const { id } = await importKey('hmac-imported', 'weak');
    const [digest] = await new ForeignKeyDigester(hmac).ofKeyString('hmac-imported', 'weak');
    expect(digest).toEqual((await storedKey('hmac-imported', id)).digest);
  });

  it('alone makes list cursors, for lists that the caller may read anyway', async () => {
    const cursor = await new CursorSigner(hmac).write(0, { list: 'tenants' });
    expect((await api('GET', `/tenants?cursor=${cursor}`)).status).toBe(200);
    expect((await api('GET', `/tenants?cursor=${cursor}`, undefined, as('nobody'))).status).toBe(401);
  });

  it('with write access mints keys, management keys included, but opens no envelope', async () => {
    await createTenant('hmac-write');
    const { secret, minted } = await forge('hmac-write', 'ks');
    await insertKey('hmac-write', minted);
    expect(await codeOf(secret)).toBe('VALID');
    await managementKey({ role: 'verifier' });
    const caller = await forge('_system', 'ksm');
    await insertKey('_system', caller.minted, '{"role":"owner"}');
    expect((await api('GET', '/tenants', undefined, as(caller.secret))).status).toBe(200);
    const victim = await createKey('hmac-write');
    const { envelope } = await storedKey('hmac-write', victim.id);
    const context = { tenantId: 'hmac-write', record: victim.id, purpose: 'key' as const };
    expect(await new Sealer(hmac).open(envelope ?? new Uint8Array(), context)).toBe('not_authentic');
  });
});

describe('ENCRYPTION_KEY', () => {
  it('alone does nothing: it signs nothing and authenticates nobody', async () => {
    await createTenant('enc');
    expect(await codeOf((await forge('enc', 'ks', encryption)).secret)).toBe('FORGED');
    for (const token of [TEST_SECRETS.ENCRYPTION_KEY, (await forge('_system', 'ksm', encryption)).secret]) {
      expect((await api('GET', '/tenants', undefined, as(token))).status).toBe(401);
    }
  });

  it("with a copy of the database opens envelopes; of a digest tenant only a day's stored responses", async () => {
    const sealer = new Sealer(encryption);
    const opened = async (tenantId: string, keyId: string, prefix: string) => {
      const { envelope } = await storedKey(tenantId, keyId);
      if (envelope === null) return null;
      const bytes = await sealer.open(envelope, { tenantId, record: keyId, purpose: 'key' });
      return typeof bytes === 'string' ? bytes : formatKeyString(prefix, bytes);
    };
    await createTenant('sealed');
    const key = await createKey('sealed');
    expect(await opened('sealed', key.id, 'ks')).toBe(key.secret);
    const caller = await managementKey({ role: 'owner' });
    expect(await opened('_system', caller.id, 'ksm')).toBe(caller.secret);

    await createTenant('digest', { settings: { storage: 'digest' } });
    const unsealed = await createKey('digest');
    expect(await opened('digest', unsealed.id, 'ks')).toBe(null);
    const { body } = await api('POST', '/tenants/digest/keys', { name: 'k' }, { 'Idempotency-Key': 'kept' });
    const [row] = await sqlIn('digest', 'SELECT key, sealed_secrets AS envelope FROM idempotency');
    const { key: record, envelope } = v.parse(v.object({ key: v.string(), envelope: v.instance(ArrayBuffer) }), row);
    const kept = await sealer.open(new Uint8Array(envelope), { tenantId: 'digest', record, purpose: 'answer' });
    expect(typeof kept === 'string' ? kept : new TextDecoder().decode(kept)).toBe(
      v.parse(v.object({ secret: v.string() }), body).secret,
    );
  });
});

describe('ADMIN_TOKEN', () => {
  it('cannot read a key string where the tenant forbids it, unless it first allows it, which is audited', async () => {
    await createTenant('admin');
    const key = await createKey('admin');
    const reveal = () => api('POST', `/tenants/admin/keys/${key.id}/reveal`);
    expect(await problemCode(reveal())).toBe('not_recoverable');
    await api('PATCH', '/tenants/admin', { settings: { allowReveal: true } });
    expect((await reveal()).body).toEqual({ secret: key.secret });
    const log = await walk('/tenants/admin/audit');
    expect(log.map(({ action, changes }) => [action, changes]).slice(0, 3)).toEqual([
      ['key.reveal', { revealed: true }],
      ['tenant.update', { allowReveal: { from: false, to: true } }],
      ['key.reveal', { revealed: false }],
    ]);
  });
});
