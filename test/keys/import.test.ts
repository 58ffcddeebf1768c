/** Keys that were issued elsewhere: their import, and what they share with all other keys. */
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { importedKeys } from '../../src/api/keys/import-schemas.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  getKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
  walk,
} from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { hashOf, importInto, importKey } from '../support/foreign-keys.ts';
import { runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const SLOW = ['bcrypt', 'argon2id', 'ARGON2', 'scrypt', 'pbkdf2-sha256'];

describe('an import', () => {
  it('takes a hash in each encoding, and everything that a new key can have', async () => {
    await createTenant('i-all');
    await api('POST', '/tenants/i-all/plans', { id: 'gold' });
    const keys = [];
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      keys.push({
        ...{ hash: await hashOf(`old-${encoding}`, encoding), name: encoding, prefix: 'sk_live_', hint: 'sk_live_…x1' },
        ...{ owner: 'o', scopes: ['a:*'], metadata: { team: 'x' }, createdAt: at(START - 86_400_000) },
        ...{ expiresAt: at(START + 1e6), enabled: true, plan: 'gold', credits: { remaining: 5 } },
        ...{ rateLimits: [{ name: 'calls', limit: 2, windowSeconds: 60 }] },
      });
    }
    const { status, body } = await importInto('i-all', keys);
    expect(status).toBe(201);
    const { data } = v.parse(importedKeys, body);
    expect(data.map(({ name }) => name)).toEqual(['hex', 'base64', 'base64url']);
    for (const key of data) {
      expect(await getKey('i-all', key.id)).toEqual(key);
      expect(key).toMatchObject({
        ...{ tenantId: 'i-all', prefix: 'sk_live_', hint: 'sk_live_…x1', imported: true, status: 'active' },
        ...{ createdAt: at(START - 86_400_000), updatedAt: at(START), createdBy: { id: 'admin' }, version: 1 },
        ...{ owner: 'o', plan: 'gold', credits: { remaining: 5 } },
      });
      const verified = await verify(`old-${key.name}`, { tenantId: 'i-all', scopes: ['a:b'] });
      expect(verified).toMatchObject({ code: 'VALID', keyId: key.id, metadata: { team: 'x' }, owner: 'o' });
    }
    expect(await walk('/tenants/i-all/audit?action=key.import')).toHaveLength(3);
    expect((await walk('/tenants/i-all/keys?prefix=sk_live_')).map(({ id }) => id)).toHaveLength(3);
    expect((await createKey('i-all')).imported).toBe(false);
  });

  it('shows the prefix where no hint is given, and the time of the import where none is told', async () => {
    await createTenant('i-plain');
    expect(await importKey('i-plain', 'a')).toMatchObject({ prefix: '', hint: '...', createdAt: at(START) });
    expect(await importKey('i-plain', 'b', { prefix: 'acme', createdAt: null })).toMatchObject({ hint: 'acme...' });
    const off = await importKey('i-plain', 'c', { enabled: false });
    expect(off).toMatchObject({ status: 'disabled' });
    expect((await verify('c', { tenantId: 'i-plain' })).code).toBe('DISABLED');
  });

  it('takes 500 keys at once', async () => {
    await createTenant('i-500');
    const keys = [];
    for (let i = 0; i < 500; i++) keys.push({ hash: await hashOf(`k${i}`, 'base64'), name: `k${i}` });
    const { status, body } = await importInto('i-500', keys);
    expect(status).toBe(201);
    expect(v.parse(importedKeys, body).data.map(({ name }) => name)).toEqual(keys.map(({ name }) => name));
    expect((await verify('k499', { tenantId: 'i-500' })).name).toBe('k499');
    const many = [...keys, { hash: await hashOf('one more'), name: 'one more' }];
    expect(await problemCode(importInto('i-500', many))).toBe('validation_failed');
    expect(await problemCode(importInto('i-500', []))).toBe('validation_failed');
  });

  it('refuses hashes that are slow by design, and says why', async () => {
    await createTenant('i-slow');
    for (const algorithm of SLOW) {
      const hash = {
        algorithm,
        value: '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy',
        encoding: 'hex',
      };
      const { status, body } = await importInto('i-slow', [{ name: 'slow', hash }]);
      expect([status, body]).toMatchObject([422, { errors: [{ path: 'keys.0.hash.algorithm' }] }]);
      expect(JSON.stringify(body)).toContain('each verification would have to compute it for every stored key');
      expect(JSON.stringify(body)).not.toContain('$2b$');
    }
    const md5 = { algorithm: 'md5', value: 'a'.repeat(32), encoding: 'hex' };
    expect((await importInto('i-slow', [{ name: 'md5', hash: md5 }])).body).toMatchObject({
      errors: [{ path: 'keys.0.hash.algorithm', message: 'must be sha256' }],
    });
  });

  it('takes each hash in one spelling only', async () => {
    await createTenant('i-strict');
    const [hex, base64, url] = [await hashOf('s'), await hashOf('s', 'base64'), await hashOf('s', 'base64url')];
    // The last digit of 32 bytes in Base64 has two bits that say nothing.
    const lastDigit = (text: string) => String.fromCharCode(text.charCodeAt(0) + 1);
    const bad = [
      { ...hex, value: hex.value.toUpperCase() },
      { ...hex, value: hex.value.slice(2) },
      { ...hex, value: `${hex.value}00` },
      { ...hex, value: ` ${hex.value.slice(1)}` },
      { ...hex, encoding: 'base64' },
      { ...base64, value: base64.value.slice(0, -1) },
      { ...base64, value: `${base64.value.slice(0, 42)}${lastDigit(base64.value.slice(42, 43))}=` },
      { ...base64, value: `${base64.value}=` },
      { ...url, value: `${url.value}=` },
      { ...url, value: `${url.value.slice(0, 42)}${lastDigit(url.value.slice(42))}` },
      { ...url, value: `${url.value.slice(0, 20)}+${url.value.slice(21)}` },
      { ...hex, encoding: 'utf8' },
      { ...hex, value: 7 },
      { ...hex, more: true },
      'text',
    ];
    for (const hash of bad) {
      const { status, body } = await importInto('i-strict', [{ name: 'bad', hash }]);
      expect([status, body], JSON.stringify(hash)).toMatchObject([422, { code: 'validation_failed' }]);
      expect(JSON.stringify(body)).toContain('keys.0.hash');
    }
  });

  it('takes times that can be true, and nothing else that a creation refuses', async () => {
    await createTenant('i-times');
    const refused = async (input: object) => {
      const { status, body } = await importInto('i-times', [
        { name: 'fine', hash: await hashOf('fine') },
        { name: 'bad', hash: await hashOf('bad'), ...input },
      ]);
      expect(status, JSON.stringify(body)).toBe(422);
      return v.parse(v.object({ errors: v.array(v.object({ path: v.string() })) }), body).errors[0]?.path;
    };
    expect(await refused({ createdAt: at(START + 1) })).toBe('keys.1.createdAt');
    expect(await refused({ createdAt: '1999-12-31T23:59:59Z' })).toBe('keys.1.createdAt');
    expect(await refused({ createdAt: 1_700_000_000 })).toBe('keys.1.createdAt');
    expect(await refused({ expiresAt: at(START) })).toBe('keys.1.expiresAt');
    expect(await refused({ plan: 'none' })).toBe('keys.1.plan');
    expect(await refused({ hint: 'x'.repeat(51) })).toBe('keys.1.hint');
    expect(await refused({ prefix: 'a\nb' })).toBe('keys.1.prefix');
    expect(await walk('/tenants/i-times/keys')).toEqual([]);
  });

  it('imports nothing when a hash is there already, and names each', async () => {
    await createTenant('i-twice');
    const first = await importKey('i-twice', 'one');
    const wanted: object[] = [];
    for (const text of ['new', 'one', 'twice', 'twice', 'twice']) wanted.push({ name: text, hash: await hashOf(text) });
    const { status, body } = await importInto('i-twice', wanted);
    expect([status, body]).toMatchObject([
      409,
      { code: 'hash_exists', duplicates: [{ index: 1, keyId: first.id }, { index: 3 }, { index: 4 }] },
    ]);
    expect(await walk('/tenants/i-twice/keys')).toHaveLength(1);
    expect((await verify('new', { tenantId: 'i-twice' })).code).toBe('NOT_FOUND');
    await revokeKey('i-twice', first.id);
    expect(await problemCode(importInto('i-twice', [{ name: 'x', hash: await hashOf('one', 'base64') }]))).toBe(
      'hash_exists',
    );
    const many = Array.from({ length: 300 }, () => wanted[1] ?? {});
    const { duplicates } = v.parse(
      v.object({ duplicates: v.array(v.unknown()) }),
      (await importInto('i-twice', many)).body,
    );
    expect(duplicates).toHaveLength(100);
  });

  it('is applied once under one Idempotency-Key, and answers with the same keys', async () => {
    await createTenant('i-once');
    const keys = [{ name: 'a', hash: await hashOf('once'), createdAt: at(START - 5000) }];
    const first = await importInto('i-once', keys, { 'Idempotency-Key': 'k' });
    advance(1000);
    const second = await importInto('i-once', keys, { 'Idempotency-Key': 'k' });
    expect(second.headers.get('Idempotency-Replayed')).toBe('true');
    expect(second.body).toEqual(first.body);
    expect(await problemCode(importInto('i-once', [], { 'Idempotency-Key': 'k' }))).toBe('validation_failed');
    expect(await walk('/tenants/i-once/keys')).toHaveLength(1);
  });

  it('is not for management keys', async () => {
    const keys = [{ name: 'root', hash: await hashOf('root') }];
    expect(await problemCode(importInto('_system', keys))).toBe('tenant_not_found');
    expect(await problemCode(api('GET', '/tenants', undefined, { Authorization: 'Bearer root' }))).toBe(
      'unauthenticated',
    );
  });
});

describe('an imported key', () => {
  it('is found in its tenant only, and is another key in another tenant', async () => {
    for (const id of ['i-mine', 'i-yours', 'i-nobodys']) await createTenant(id);
    const mine = await importKey('i-mine', 'shared');
    const yours = await importKey('i-yours', 'shared');
    expect((await verify('shared', { tenantId: 'i-mine' })).keyId).toBe(mine.id);
    expect((await verify('shared', { tenantId: 'i-yours' })).keyId).toBe(yours.id);
    expect((await verify('shared', { tenantId: 'i-nobodys' })).code).toBe('NOT_FOUND');
    expect((await verify('shared')).code).toBe('MALFORMED');
    await revokeKey('i-mine', mine.id);
    expect((await verify('shared', { tenantId: 'i-mine' })).code).toBe('REVOKED');
    expect((await verify('shared', { tenantId: 'i-yours' })).code).toBe('VALID');
  });

  it('is found without a tenantId for a caller confined to the tenant', async () => {
    await createTenant('i-confined');
    await createTenant('i-other');
    const key = await importKey('i-confined', 'old key');
    const { body } = await api('POST', '/management-keys', { name: 'v', role: 'verifier', tenantId: 'i-confined' });
    const { secret } = v.parse(v.object({ secret: v.string() }), body);
    const as = { Authorization: `Bearer ${secret}` };
    const ask = async (input: object) => (await api('POST', '/keys/verify', input, as)).body;
    expect(await ask({ key: 'old key' })).toMatchObject({ code: 'VALID', keyId: key.id });
    expect(await ask({ key: 'old key', tenantId: 'i-confined' })).toMatchObject({ code: 'VALID' });
    expect(await ask({ key: 'old key', tenantId: 'i-other' })).toMatchObject({ code: 'NOT_FOUND' });
    expect(await ask({ key: 'unknown' })).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('may be any text of up to 512 bytes, and a text of our own form never is one', async () => {
    await createTenant('i-texts');
    const texts = [' ', '\0', 'ключ-🔑', '🔑'.repeat(128), 'x'.repeat(512), 'sk-ant-api03-AbC_d.e~f/g+h=', '한'];
    for (const text of texts) await importKey('i-texts', text);
    for (const text of texts) {
      for (let i = 0; i < 2; i++) expect((await verify(text, { tenantId: 'i-texts' })).code, text).toBe('VALID');
    }
    const { secret } = await createKey('i-texts');
    const mistyped = `${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`;
    const malformed = ['', 'x'.repeat(513), '🔑'.repeat(129), '\ud800', mistyped, `${secret.slice(0, -6)}000000`];
    for (const text of malformed) {
      expect((await verify(text, { tenantId: 'i-texts' })).code, text).toBe('MALFORMED');
    }
    // The hash of a key string of ours can be imported, and is never asked for.
    await importKey('i-texts', mistyped);
    expect((await verify(mistyped, { tenantId: 'i-texts' })).code).toBe('MALFORMED');
  });

  it('is listed, counted, changed and searched like any other', async () => {
    await createTenant('i-alike');
    const key = await importKey('i-alike', 'alike', { owner: 'o' });
    await createKey('i-alike');
    expect((await walk('/tenants/i-alike/keys?owner=o'))[0]).toEqual(key);
    expect((await api('GET', '/tenants/i-alike/keys/counts')).body).toMatchObject({ active: 2, total: 2 });
    const changed = await updateKey('i-alike', key.id, { name: 'New', scopes: ['a'] });
    expect(changed).toMatchObject({ name: 'New', imported: true, hint: key.hint, version: 2 });
    expect((await verify('alike', { tenantId: 'i-alike', scopes: ['a'] })).code).toBe('VALID');
    await api('PATCH', '/tenants/i-alike/owners/o', { enabled: false });
    expect((await verify('alike', { tenantId: 'i-alike' })).code).toBe('OWNER_DISABLED');
    await api('PATCH', '/tenants/i-alike', { status: 'disabled' });
    expect((await verify('alike', { tenantId: 'i-alike' })).code).toBe('TENANT_DISABLED');
  });

  it('has limits and credits, which its successor goes on with', async () => {
    await createTenant('i-limits');
    const tenantId = 'i-limits';
    const key = await importKey(tenantId, 'limited', {
      rateLimits: [{ name: 'calls', limit: 3, windowSeconds: 60 }],
      credits: { remaining: 10 },
    });
    const first = await verify('limited', { tenantId });
    expect(first).toMatchObject({ credits: { remaining: 9 }, limits: [{ remaining: 2 }] });
    const { key: successor } = await rotateKey(tenantId, key.id);
    expect(await verify(successor.secret)).toMatchObject({ credits: { remaining: 8 }, limits: [{ remaining: 1 }] });
    expect((await verify('limited', { tenantId })).code).toBe('VALID');
    expect((await verify(successor.secret)).code).toBe('RATE_LIMITED');
  });

  it('cannot be revealed, since nothing of it can be recovered', async () => {
    await createTenant('i-reveal', { settings: { allowReveal: true } });
    const { id } = await importKey('i-reveal', 'hidden');
    const { status, body } = await api('POST', `/tenants/i-reveal/keys/${id}/reveal`);
    expect([status, body]).toMatchObject([409, { code: 'not_recoverable' }]);
    expect((await walk(`/tenants/i-reveal/audit?keyId=${id}`))[0]).toMatchObject({ action: 'key.reveal' });
    expect((await api('POST', '/tenants/i-reveal/encryption/reseal')).body).toMatchObject({ remaining: 0 });
    expect((await api('GET', '/tenants/i-reveal/encryption')).body).toMatchObject({ signatures: { 1: 1 } });
  });

  it('is rotated into a key of our own, and works until its grace period ends', async () => {
    await createTenant('i-rotate', { settings: { keyPrefix: 'acme' } });
    const tenantId = 'i-rotate';
    const { id } = await importKey(tenantId, 'sk_live_abc', { prefix: 'sk_live_', scopes: ['a'] });
    const { key, rotated } = await rotateKey(tenantId, id, { gracePeriodSeconds: 60 });
    expect(key).toMatchObject({ prefix: 'acme', imported: false, scopes: ['a'], rotation: { replaces: id } });
    expect(rotated).toMatchObject({ imported: true, status: 'rotating' });
    expect(key.secret).toMatch(/^acme_/);
    const old = await verify('sk_live_abc', { tenantId });
    expect(old).toMatchObject({ code: 'VALID', warnings: [{ code: 'key_rotated', replacedBy: key.id }] });
    expect((await verify(key.secret)).code).toBe('VALID');
    advance(60_000);
    expect((await verify('sk_live_abc', { tenantId })).code).toBe('ROTATED');
    expect((await verify(key.secret)).code).toBe('VALID');
  });

  it('takes a rotation back, and is revoked with its lineage', async () => {
    await createTenant('i-lineage');
    const tenantId = 'i-lineage';
    const { id } = await importKey(tenantId, 'root');
    const { key } = await rotateKey(tenantId, id);
    await api('POST', `/tenants/${tenantId}/keys/${id}/rotation/cancel`);
    expect([(await verify('root', { tenantId })).code, (await verify(key.secret)).code]).toEqual(['VALID', 'REVOKED']);
    const again = await rotateKey(tenantId, id);
    await revokeKey(tenantId, again.key.id, { lineage: true });
    expect((await verify('root', { tenantId })).code).toBe('REVOKED');
  });

  it('is another key when it was deleted or purged and is imported again', async () => {
    await createTenant('i-again', { settings: { retentionSeconds: 60 } });
    const tenantId = 'i-again';
    const first = await importKey(tenantId, 'again');
    expect((await verify('again', { tenantId })).keyId).toBe(first.id);
    await deleteKey(tenantId, first.id);
    expect((await verify('again', { tenantId })).code).toBe('NOT_FOUND');
    const second = await importKey(tenantId, 'again', { scopes: ['b'] });
    expect(second.id).not.toBe(first.id);
    expect(await verify('again', { tenantId })).toMatchObject({ code: 'VALID', keyId: second.id, scopes: ['b'] });
    await revokeKey(tenantId, second.id);
    expect((await verify('again', { tenantId })).code).toBe('REVOKED');
    advance(60_001);
    while (await runDueAlarm(tenantId));
    expect((await verify('again', { tenantId })).code).toBe('NOT_FOUND');
    const third = await importKey(tenantId, 'again');
    expect((await verify('again', { tenantId })).keyId).toBe(third.id);
  });

  it('is kept as a keyed digest of its hash', async () => {
    await createTenant('i-stored');
    await importKey('i-stored', 'weak');
    const hash = await hashOf('weak');
    const rows = await sqlIn('i-stored', 'SELECT hex(digest) AS digest, length(digest) AS n, envelope FROM keys');
    expect(rows).toMatchObject([{ n: 20, envelope: null }]);
    expect(hash.value.toUpperCase()).not.toContain(rows[0]?.digest);
  });
});
