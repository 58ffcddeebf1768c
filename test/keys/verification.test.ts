/** Verification: every code in the contract's order. No key is valid after the call that ended it has returned. */
import { env } from 'cloudflare:workers';
import { describe, expect, it, vi } from 'vitest';
import { formatKeyString, parseKeyString } from '../../domain/key-string/key-string.ts';
import { locatorOf } from '../../domain/tenants/locator.ts';
import { runtimeOf } from '../../src/config/runtime.ts';
import { mintKey } from '../../src/crypto/mint-key.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  getKey,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
} from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { evict, runAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const DAY_MS = 86_400_000;

function runtime() {
  const found = runtimeOf(env);
  if (Array.isArray(found)) throw new Error('the test configuration is wrong');
  return found;
}

describe('verification', () => {
  it('returns what a backend needs to know about a valid key', async () => {
    await createTenant('full');
    const key = await createKey('full', { name: 'n', owner: 'o', scopes: ['a:*'], metadata: { m: 1 } });
    expect(await verify(key.secret)).toEqual({
      valid: true,
      code: 'VALID',
      keyId: key.id,
      tenantId: 'full',
      name: 'n',
      owner: 'o',
      ownerMetadata: {},
      scopes: ['a:*'],
      metadata: { m: 1 },
      expiresAt: null,
      warnings: [],
    });
  });

  it('accepts a created key at once, also after an eviction', async () => {
    await createTenant('fresh');
    const { secret } = await createKey('fresh');
    expect((await verify(secret)).code).toBe('VALID');
    await evict('fresh');
    expect((await verify(secret)).code).toBe('VALID');
  });

  it('reports text that is not a key as malformed, whatever its length', async () => {
    for (const key of ['', 'x', 'ks_', 'a'.repeat(16_000), 'ключ', '\u0000']) {
      expect(await verify(key)).toEqual({ valid: false, code: 'MALFORMED', warnings: [] });
    }
  });

  it('reports an altered signature as forged', async () => {
    await createTenant('forged');
    const { secret } = await createKey('forged');
    const parsed = parseKeyString(secret);
    const bytes = Uint8Array.from(parsed?.bytes ?? []);
    bytes[63] = (bytes[63] ?? 0) ^ 1;
    expect(await verify(formatKeyString('ks', bytes))).toEqual({ valid: false, code: 'FORGED', warnings: [] });
  });

  it('reports a signed key without a record as not found, and stores nothing for an unknown tenant', async () => {
    const { secret } = await mintKey(runtime(), 'never-created', await locatorOf('never-created'), 'ks', Date.now());
    expect(await verify(secret)).toEqual({ valid: false, code: 'NOT_FOUND', warnings: [] });
    expect(
      await sqlIn('never-created', "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"),
    ).toEqual([]);
    expect(await runAlarm('never-created')).toBe(false);
  });

  it('reports codes in the order tenant disabled, revoked, rotated, expired, disabled, owner, scopes', async () => {
    await createTenant('order', { settings: { retentionSeconds: 1_000_000 } });
    const code = async (secret: string) => (await verify(secret, { scopes: ['missing'] })).code;
    const key = await createKey('order', { owner: 'o', expiresAt: at(START + 10_000) });
    expect(await code(key.secret)).toBe('INSUFFICIENT_SCOPES');
    await api('PATCH', '/tenants/order/owners/o', { enabled: false });
    expect(await code(key.secret)).toBe('OWNER_DISABLED');
    await updateKey('order', key.id, { enabled: false });
    expect(await code(key.secret)).toBe('DISABLED');
    advance(10_000);
    expect(await code(key.secret)).toBe('EXPIRED');
    const rotated = await createKey('order', { owner: 'o', expiresAt: at(START + 20_000) });
    await rotateKey('order', rotated.id, { gracePeriodSeconds: 1 });
    await updateKey('order', rotated.id, { enabled: false });
    advance(20_000);
    expect(await code(rotated.secret)).toBe('ROTATED');
    await revokeKey('order', rotated.id);
    expect(await code(rotated.secret)).toBe('REVOKED');
    await api('PATCH', '/tenants/order', { status: 'disabled' });
    expect(await code(rotated.secret)).toBe('TENANT_DISABLED');
    await api('PATCH', '/tenants/order', { status: 'active' });
    expect(await code(rotated.secret)).toBe('REVOKED');
  });

  it('matches scopes exactly or by a trailing wildcard on a segment', async () => {
    await createTenant('scopes');
    const held: [string[], string, boolean][] = [
      [['invoices:*'], 'invoices:read', true],
      [['invoices:*'], 'invoices:lines:read', true],
      [['invoices:*'], 'invoices', false],
      [['invoices:*'], 'invoicesx:read', false],
      [['invoices:read'], 'invoices:read', true],
      [['invoices:read'], 'invoices:rea', false],
      [['invoices:read'], 'invoices:read:all', false],
      [['invoices:read'], 'Invoices:read', false],
      [['*'], 'anything:at:all', true],
      [['a', 'b:*'], 'b:c', true],
      [[], 'a', false],
    ];
    for (const [scopes, wanted, granted] of held) {
      const { secret } = await createKey('scopes', { scopes });
      const { code } = await verify(secret, { scopes: [wanted] });
      expect(code, `${scopes} has ${wanted}`).toBe(granted ? 'VALID' : 'INSUFFICIENT_SCOPES');
    }
    const both = await createKey('scopes', { scopes: ['a', 'b'] });
    expect((await verify(both.secret, { scopes: ['a', 'b'] })).code).toBe('VALID');
    expect((await verify(both.secret, { scopes: ['a', 'c'] })).code).toBe('INSUFFICIENT_SCOPES');
  });

  it('reports a key of another tenant as not found, for the given tenant and by its id', async () => {
    await createTenant('tenant-a');
    await createTenant('tenant-b');
    const key = await createKey('tenant-b');
    expect((await verify(key.secret, { tenantId: 'tenant-a' })).code).toBe('NOT_FOUND');
    expect((await verify(key.secret, { tenantId: 'tenant-b' })).code).toBe('VALID');
    const foreign = `/tenants/tenant-a/keys/${key.id}`;
    expect((await api('GET', foreign)).status).toBe(404);
    expect((await api('PATCH', foreign, { name: 'x' })).status).toBe(404);
    expect((await api('DELETE', foreign)).status).toBe(404);
    expect((await api('POST', `${foreign}/rotate`)).status).toBe(404);
    expect((await api('POST', `${foreign}/revoke`)).status).toBe(404);
    expect((await verify(key.secret)).code).toBe('VALID');
  });

  it('compares ids case-sensitively', async () => {
    await createTenant('case');
    const { id } = await createKey('case');
    const swapCase = (char: string) => (char === char.toUpperCase() ? char.toLowerCase() : char.toUpperCase());
    const other = `key_${[...id.slice(4)].map(swapCase).join('')}`;
    expect((await api('GET', `/tenants/case/keys/${other}`)).status).toBe(404);
    expect((await api('GET', `/tenants/case/keys/${id}`)).status).toBe(200);
  });

  it('accepts no key after the call that ended it has returned', async () => {
    await createTenant('final');
    const endings: [string, (id: string) => Promise<unknown>][] = [
      ['revoke', (id) => revokeKey('final', id)],
      ['rotate with grace 0', (id) => rotateKey('final', id, { gracePeriodSeconds: 0 })],
      ['disable', (id) => updateKey('final', id, { enabled: false })],
      ['delete', (id) => deleteKey('final', id)],
    ];
    for (const [name, end] of endings) {
      for (let round = 0; round < 5; round++) {
        const key = await createKey('final');
        const before = Array.from({ length: 5 }, () => verify(key.secret));
        await end(key.id);
        const after = await Promise.all(Array.from({ length: 5 }, () => verify(key.secret)));
        expect(
          after.filter(({ valid }) => valid),
          name,
        ).toEqual([]);
        await Promise.all(before);
      }
    }
  });

  it('refuses an expired key to the millisecond, with or without an alarm, and warns a week before', async () => {
    await createTenant('expiry', { settings: { retentionSeconds: 1_000_000 } });
    const key = await createKey('expiry', { expiresAt: at(START + 8 * DAY_MS) });
    expect((await verify(key.secret)).warnings).toEqual([]);
    advance(DAY_MS);
    expect((await verify(key.secret)).warnings).toMatchObject([
      { code: 'expiring_soon', expiresAt: at(START + 8 * DAY_MS) },
    ]);
    advance(7 * DAY_MS - 1);
    expect((await verify(key.secret)).code).toBe('VALID');
    advance(1);
    expect((await verify(key.secret)).code).toBe('EXPIRED');
    await runAlarm('expiry');
    expect((await verify(key.secret)).code).toBe('EXPIRED');
  });

  it('refuses a row written by hand, whatever its digest', async () => {
    await createTenant('planted');
    const real = await createKey('planted');
    // What an attacker with the database can do: invent a secret with the right layout and checksum, and write a row
    // for it. Even with the true digest of the invented bytes, which only HMAC_SECRET can compute, the signature inside
    // the key string is missing.
    const bytes = Uint8Array.from(parseKeyString(real.secret)?.bytes ?? []);
    crypto.getRandomValues(bytes.subarray(20));
    const forged = formatKeyString('ks', bytes);
    const parsed = parseKeyString(forged);
    if (parsed === null) throw new Error('the planted key does not parse');
    const mac = await runtime().signer.sign(parsed.signingKeyId, parsed.prefix, parsed.signed);
    const columns = (await sqlIn('planted', "SELECT name FROM pragma_table_info('keys')")).map((row) => row.name);
    const copied = columns
      .filter((name) => name !== 'seq')
      .map((name) => (name === 'id' ? '?' : name === 'digest' ? '?' : name));
    const targets = columns.filter((name) => name !== 'seq');
    const ordered = targets.filter((name) => name === 'id' || name === 'digest');
    const digest = mac?.digest.slice().buffer ?? new ArrayBuffer(0);
    await sqlIn(
      'planted',
      `INSERT INTO keys (${targets}) SELECT ${copied} FROM keys WHERE id = ?`,
      ...ordered.map((name) => (name === 'id' ? parsed.id : digest)),
      real.id,
    );
    expect((await sqlIn('planted', 'SELECT count(*) AS n FROM keys'))[0]?.n).toBe(2);
    expect((await verify(forged)).code).toBe('FORGED');
    expect((await verify(real.secret)).code).toBe('VALID');
  });

  it('refuses a digest in the wrong row', async () => {
    await createTenant('swapped');
    const [a, b] = [await createKey('swapped'), await createKey('swapped')];
    await sqlIn('swapped', 'UPDATE keys SET digest = (SELECT digest FROM keys WHERE id = ?) WHERE id = ?', b.id, a.id);
    expect((await verify(a.secret)).code).toBe('NOT_FOUND');
    expect((await verify(b.secret)).code).toBe('VALID');
  });

  it('has lastUsedAt to the minute at once, stored within seconds, after which it survives an eviction', async () => {
    await createTenant('used');
    const key = await createKey('used');
    advance(90_000);
    await verify(key.secret);
    const rowsBefore = await sqlIn('used', 'SELECT last_used_at FROM keys');
    expect(rowsBefore).toEqual([{ last_used_at: null }]);
    expect((await getKey('used', key.id)).lastUsedAt).toBe(at(START + 60_000));
    expect((await getKey('used', key.id)).version).toBe(1);
    await verify(key.secret);
    await vi.waitFor(
      async () => {
        expect(await sqlIn('used', 'SELECT last_used_at FROM keys')).toEqual([{ last_used_at: START + 60_000 }]);
      },
      { timeout: 20_000, interval: 100 },
    );
    await evict('used');
    expect((await getKey('used', key.id)).lastUsedAt).toBe(at(START + 60_000));
  });

  it('does not count a refused key as used', async () => {
    await createTenant('unused');
    const key = await createKey('unused', { enabled: false });
    await verify(key.secret);
    expect((await getKey('unused', key.id)).lastUsedAt).toBeNull();
  });

  it('finds the tenant by the locator in the key string', async () => {
    await createTenant('located');
    const { secret } = await createKey('located');
    expect(parseKeyString(secret)?.locator).toEqual(await locatorOf('located'));
  });
});
