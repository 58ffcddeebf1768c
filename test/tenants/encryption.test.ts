/**
 * Rotating key material: several entries at once, moving to a new entry under traffic, and knowing when the old one can
 * be removed.
 */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { keyWithSecret } from '../../src/api/keys/schemas.ts';
import type { Env } from '../../src/env.ts';
import { createTenant } from '../support/api.ts';
import { apiWith } from '../support/faults.ts';
import { sqlIn } from '../support/objects.ts';

const bare = (ring: string | undefined) => (ring ?? '').split(':').at(-1) ?? '';
const randomEntry = (id: number) => `${id}:${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
const newEncryption = randomEntry(2);
const newHmac = randomEntry(9);

/** A deployment in each state of a rotation of its key material. */
const before: Env = { ...env };
const during: Env = {
  ...env,
  ENCRYPTION_KEY: `${newEncryption},1:${bare(env.ENCRYPTION_KEY)}`,
  HMAC_SECRET: `${newHmac},1:${bare(env.HMAC_SECRET)}`,
};
const after: Env = { ...env, ENCRYPTION_KEY: newEncryption, HMAC_SECRET: `${newHmac},1:${bare(env.HMAC_SECRET)}` };
const withoutOldHmac: Env = { ...after, HMAC_SECRET: newHmac };

const progress = v.strictObject({ resealed: v.number(), remaining: v.number() });
const encryption = async (deployment: Env, tenantId: string) =>
  (await apiWith(deployment, 'GET', `/tenants/${tenantId}/encryption`)).body;

async function make(deployment: Env, tenantId: string, input: object = {}) {
  const { body } = await apiWith(deployment, 'POST', `/tenants/${tenantId}/keys`, { name: 'k', ...input });
  return v.parse(keyWithSecret, body);
}

async function code(deployment: Env, key: string): Promise<string> {
  const { body } = await apiWith(deployment, 'POST', '/keys/verify', { key });
  return v.parse(v.object({ code: v.string() }), body).code;
}

async function resealAll(deployment: Env, tenantId: string, between = async () => {}): Promise<number> {
  let total = 0;
  for (;;) {
    const { body } = await apiWith(deployment, 'POST', `/tenants/${tenantId}/encryption/reseal`);
    const { resealed, remaining } = v.parse(progress, body);
    total += resealed;
    if (remaining === 0) return total;
    await between();
  }
}

describe('rotating ENCRYPTION_KEY', () => {
  it('moves every envelope, after which the old entry can be removed and everything still works', async () => {
    await createTenant('ring', { settings: { allowReveal: true } });
    const old = await make(before, 'ring');
    expect(await encryption(before, 'ring')).toEqual({
      current: '1',
      currentSignature: '1',
      envelopes: { 1: 1 },
      signatures: { 1: 1 },
    });
    const fresh = await make(during, 'ring');
    expect(await encryption(during, 'ring')).toEqual({
      current: '2',
      currentSignature: '9',
      envelopes: { 1: 1, 2: 1 },
      signatures: { 1: 1, 9: 1 },
    });
    expect([await code(during, old.secret), await code(during, fresh.secret)]).toEqual(['VALID', 'VALID']);
    expect(await resealAll(during, 'ring')).toBe(1);
    expect(await encryption(after, 'ring')).toMatchObject({ envelopes: { 2: 2 } });
    for (const key of [old, fresh]) {
      const { body } = await apiWith(after, 'POST', `/tenants/ring/keys/${key.id}/reveal`);
      expect(body).toEqual({ secret: key.secret });
      expect(await code(after, key.secret)).toBe('VALID');
    }
    expect(await resealAll(after, 'ring')).toBe(0);
  });

  it('moves stored responses too, so that replays work without the old entry', async () => {
    await createTenant('ring-answers', { settings: { storage: 'digest' } });
    const idem = { 'Idempotency-Key': 'kept' };
    const first = await apiWith(before, 'POST', '/tenants/ring-answers/keys', { name: 'k' }, idem);
    expect(await encryption(before, 'ring-answers')).toMatchObject({ envelopes: { 1: 1 } });
    expect(await resealAll(during, 'ring-answers')).toBe(1);
    const again = await apiWith(after, 'POST', '/tenants/ring-answers/keys', { name: 'k' }, idem);
    expect(again.body).toEqual(first.body);
  });

  it('continues beside creations, rotations, verifications and deletions, and misses none', async () => {
    await createTenant('ring-busy', { settings: { allowReveal: true } });
    const keys = Array.from({ length: 500 }, (_, i) => ({ name: `k${i}` }));
    for (let i = 0; i < 3; i++) await apiWith(before, 'POST', '/tenants/ring-busy/keys/bulk', { keys });
    const kept = await make(before, 'ring-busy');
    const doomed = await make(before, 'ring-busy');
    const rotating = await make(before, 'ring-busy');
    let rounds = 0;
    await resealAll(during, 'ring-busy', async () => {
      rounds += 1;
      // An isolate that has not been given the new entry yet still seals with the old one.
      await make(rounds < 3 ? before : during, 'ring-busy');
      expect(await code(during, kept.secret)).toBe('VALID');
      if (rounds === 1) await apiWith(during, 'POST', `/tenants/ring-busy/keys/${rotating.id}/rotate`);
      if (rounds === 2) await apiWith(during, 'DELETE', `/tenants/ring-busy/keys/${doomed.id}`);
    });
    expect(rounds).toBeGreaterThan(3);
    const rows = await sqlIn('ring-busy', 'SELECT sealing_key_id AS entry, count(*) AS n FROM keys GROUP BY 1');
    expect(rows.map((row) => row.entry)).toEqual([2]);
    expect(await encryption(after, 'ring-busy')).toMatchObject({ envelopes: { 2: rows[0]?.n } });
    const { body } = await apiWith(after, 'POST', `/tenants/ring-busy/keys/${kept.id}/reveal`);
    expect(body).toEqual({ secret: kept.secret });
  });

  it('reports an envelope that cannot be opened, and leaves it as it is', async () => {
    await createTenant('ring-early');
    await make(before, 'ring-early');
    const { body } = await apiWith(after, 'POST', '/tenants/ring-early/encryption/reseal');
    expect(body).toEqual({ resealed: 0, remaining: 1, unreadable: expect.any(Number) });
    expect(await resealAll(during, 'ring-early')).toBe(1);
  });
});

describe('rotating HMAC_SECRET', () => {
  it('keeps old keys valid while their entry is there, and counts the keys that need it', async () => {
    await createTenant('hmac');
    const old = await make(before, 'hmac');
    const revoked = await make(before, 'hmac');
    expect(await encryption(during, 'hmac')).toMatchObject({ signatures: { 1: 2 } });
    await apiWith(during, 'POST', `/tenants/hmac/keys/${revoked.id}/revoke`);
    expect(await encryption(during, 'hmac')).toMatchObject({ signatures: { 1: 1 } });
    expect(await code(withoutOldHmac, old.secret)).toBe('FORGED');
    const { body } = await apiWith(during, 'POST', `/tenants/hmac/keys/${old.id}/rotate`, { gracePeriodSeconds: 0 });
    const { key } = v.parse(v.object({ key: keyWithSecret }), body);
    expect(await encryption(during, 'hmac')).toMatchObject({ signatures: { 9: 1 } });
    expect(await code(withoutOldHmac, key.secret)).toBe('VALID');
  });
});
