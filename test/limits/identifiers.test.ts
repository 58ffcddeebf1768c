/** Limits of a tenant for identifiers without a key: `limits/check` over HTTP, and the bounded store of identifiers. */
import { runInDurableObject } from 'cloudflare:test';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import type { LimitCharge } from '../../domain/limits/tenant-limits.ts';
import { CHECKS_BYTES_MAX, CheckTable } from '../../durable-objects/tenant/limits/check-table.ts';
import { IdentifierLimits } from '../../durable-objects/tenant/limits/identifier-limits.ts';
import { checkOut } from '../../src/api/limits/schemas.ts';
import { IdentifierDigester } from '../../src/crypto/identifier-digest.ts';
import { parseKeyring } from '../../src/crypto/keyring.ts';
import { api, createKey, createTenant, verify } from '../support/api.ts';
import { as, managementKey, outcomeOf } from '../support/callers.ts';
import { advance, at, hurryTimers, pretendTime, START, untilTimersRan } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn, tenantObject } from '../support/objects.ts';

pretendTime();
hurryTimers();

const SIGNUPS = { name: 'signups', limit: 3, windowSeconds: 60 };
const TRIALS = { name: 'trials', limit: 2, period: 'day' };
const IP = '192.0.2.1';

const patch = (tenantId: string, limits: object) => api('PATCH', `/tenants/${tenantId}`, { limits });
const send = (tenantId: string, input: object, headers = {}) =>
  api('POST', `/tenants/${tenantId}/limits/check`, { identifier: IP, name: 'signups', ...input }, headers);
async function check(tenantId: string, input: object = {}) {
  const { status, body } = await send(tenantId, input);
  expect(status, JSON.stringify(body)).toBe(200);
  return v.parse(checkOut, body);
}
async function tenantWithLimits(id: string, limits: object = { rateLimits: [SIGNUPS], quotas: [TRIALS] }) {
  await createTenant(id);
  expect(outcomeOf(await patch(id, limits))).toBe('200');
}

describe('the limits of a tenant', () => {
  it('are changed one list at a time, shown, and in the audit log', async () => {
    await createTenant('ids-given');
    expect((await api('GET', '/tenants/ids-given')).body).toMatchObject({ limits: { rateLimits: [], quotas: [] } });
    const { body } = await patch('ids-given', { rateLimits: [SIGNUPS] });
    expect(body).toMatchObject({ limits: { rateLimits: [SIGNUPS], quotas: [] } });
    await patch('ids-given', { quotas: [TRIALS] });
    await evict('ids-given');
    const shown = { limits: { rateLimits: [SIGNUPS], quotas: [TRIALS] } };
    expect((await api('GET', '/tenants/ids-given')).body).toMatchObject(shown);
    await api('PATCH', '/tenants/ids-given', { name: 'Renamed' });
    expect((await patch('ids-given', { rateLimits: null })).body).toMatchObject({
      name: 'Renamed',
      limits: { rateLimits: [], quotas: [TRIALS] },
    });
    const { body: audit } = await api('GET', '/tenants/ids-given/audit?action=tenant.update');
    expect(audit).toMatchObject({
      data: [
        { changes: { rateLimits: { from: [SIGNUPS], to: [] } } },
        { changes: { name: { to: 'Renamed' } } },
        { changes: { quotas: { from: [], to: [TRIALS] } } },
        { changes: { rateLimits: { from: [], to: [SIGNUPS] } } },
      ],
    });
  });

  it('are bounded, have names of their own, and count for nobody in particular', async () => {
    await createTenant('ids-bounds');
    const many = Array.from({ length: 5 }, (_, i) => ({ ...SIGNUPS, name: `m${i}` }));
    const quotas = many.map(({ name }) => ({ ...TRIALS, name: `q${name}` }));
    const invalid = '422 validation_failed';
    expect((await patch('ids-bounds', { rateLimits: many, quotas })).body).toMatchObject({
      errors: [{ path: 'limits.quotas' }],
    });
    expect(outcomeOf(await patch('ids-bounds', { rateLimits: many, quotas: quotas.slice(2) }))).toBe('200');
    expect(outcomeOf(await patch('ids-bounds', { rateLimits: [SIGNUPS, SIGNUPS] }))).toBe(invalid);
    expect(outcomeOf(await patch('ids-bounds', { rateLimits: [{ ...SIGNUPS, per: 'owner' }] }))).toBe(invalid);
    expect(outcomeOf(await patch('ids-bounds', { rateLimits: [{ ...SIGNUPS, automatic: true }] }))).toBe(invalid);
  });
});

describe('a check', () => {
  it('counts for each identifier by itself, and says when there is more', async () => {
    await tenantWithLimits('ids-counts');
    expect(await check('ids-counts')).toEqual({
      allowed: true,
      code: 'VALID',
      name: 'signups',
      limit: 3,
      remaining: 2,
      resetsAt: at(START + 60_061),
    });
    expect(await check('ids-counts', { cost: 3 })).toMatchObject({
      allowed: false,
      remaining: 2,
      retryAfterMs: 60_061,
    });
    expect(await check('ids-counts', { cost: 2 })).toMatchObject({ allowed: true, remaining: 0 });
    expect(await check('ids-counts', { cost: 0 })).toMatchObject({ allowed: true, remaining: 0 });
    expect(await check('ids-counts')).toMatchObject({ allowed: false, code: 'RATE_LIMITED', retryAfterMs: 60_061 });
    expect(await check('ids-counts', { identifier: '192.0.2.2' })).toMatchObject({ allowed: true, remaining: 2 });
    // Another limit counts for itself.
    for (const allowed of [true, true, false]) {
      expect(await check('ids-counts', { name: 'trials' })).toMatchObject({ allowed });
    }
    expect(await check('ids-counts', { name: 'trials' })).toMatchObject({ code: 'QUOTA_EXCEEDED' });
    advance(60_061);
    expect(await check('ids-counts')).toMatchObject({ allowed: true, remaining: 2 });
  });

  it('by a name that is no limit of the tenant is a problem, and so is no identifier', async () => {
    await tenantWithLimits('ids-unknown');
    expect(outcomeOf(await send('ids-unknown', { name: 'other' }))).toBe('404 limit_not_found');
    expect(outcomeOf(await send('nowhere', {}))).toBe('404 tenant_not_found');
    for (const wrong of ['', ' ', 'x'.repeat(201), 'a\u0000b', '\ud800', 5]) {
      expect(outcomeOf(await send('ids-unknown', { identifier: wrong }))).toBe('422 validation_failed');
    }
    expect(outcomeOf(await send('ids-unknown', { identifier: '\u{1f511}'.repeat(100) }))).toBe('200');
  });

  it('is for those who verify keys, within their tenant', async () => {
    await tenantWithLimits('ids-roles');
    await tenantWithLimits('ids-roles-other');
    const verifier = as((await managementKey({ role: 'verifier', tenantId: 'ids-roles' })).secret);
    expect(outcomeOf(await send('ids-roles', {}, verifier))).toBe('200');
    expect(outcomeOf(await send('ids-roles-other', {}, verifier))).toBe('404 tenant_not_found');
    const reader = as((await managementKey({ role: 'auditor' })).secret);
    expect(outcomeOf(await send('ids-roles', {}, reader))).toBe('403 forbidden keys:verify');
  });

  it('of a disabled tenant is refused and counts nothing', async () => {
    await tenantWithLimits('ids-disabled');
    await api('PATCH', '/tenants/ids-disabled', { status: 'disabled' });
    expect(await check('ids-disabled')).toEqual({ allowed: false, code: 'TENANT_DISABLED' });
    await api('PATCH', '/tenants/ids-disabled', { status: 'active' });
    expect(await check('ids-disabled')).toMatchObject({ remaining: 2 });
  });

  it('follows a changed limit: a higher one counts at once, a lower one brings nothing back', async () => {
    await tenantWithLimits('ids-changed');
    await check('ids-changed', { cost: 3 });
    await patch('ids-changed', { rateLimits: [{ ...SIGNUPS, limit: 5 }] });
    expect(await check('ids-changed')).toMatchObject({ allowed: true, remaining: 1 });
    await patch('ids-changed', { rateLimits: [{ ...SIGNUPS, limit: 1 }] });
    expect(await check('ids-changed')).toMatchObject({ allowed: false });
    await patch('ids-changed', { rateLimits: [] });
    expect(outcomeOf(await send('ids-changed', {}))).toBe('404 limit_not_found');
    await patch('ids-changed', { rateLimits: [SIGNUPS] });
    expect(await check('ids-changed')).toMatchObject({ allowed: false });
  });

  it('shares no counter with keys and owners', async () => {
    await tenantWithLimits('ids-apart');
    const limits = { rateLimits: [{ ...SIGNUPS, per: 'owner' }] };
    const { secret } = await createKey('ids-apart', { owner: IP, ...limits });
    for (let i = 0; i < 3; i++) expect((await verify(secret)).code).toBe('VALID');
    expect(await check('ids-apart')).toMatchObject({ remaining: 2 });
    expect(await sqlIn('ids-apart', 'SELECT count(*) AS n FROM counters')).toEqual([{ n: 1 }]);
  });

  it('is not forgotten by an eviction of the object', async () => {
    await tenantWithLimits('ids-survives', { rateLimits: [{ ...SIGNUPS, limit: 100 }], quotas: [] });
    for (let i = 0; i < 10; i++) await check('ids-survives');
    advance(4000);
    // The object writes what only memory knows when nobody has used the counter for some seconds.
    await untilTimersRan();
    await evict('ids-survives');
    expect(await check('ids-survives')).toMatchObject({ remaining: 89 });
    expect(await check('ids-survives', { cost: 90 })).toMatchObject({ allowed: false });
  });

  it('that cannot be written is not allowed', async () => {
    await tenantWithLimits('ids-unwritten');
    await sqlIn('ids-unwritten', "CREATE TRIGGER refuse BEFORE INSERT ON checks BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect(outcomeOf(await send('ids-unwritten', {}))).toBe('503 unavailable');
    await sqlIn('ids-unwritten', 'DROP TRIGGER refuse');
    expect(await check('ids-unwritten')).toMatchObject({ allowed: true });
  });

  it('among many at once is allowed exactly as often as the limit says', async () => {
    await tenantWithLimits('ids-burst');
    const all = await Promise.all(Array.from({ length: 20 }, () => check('ids-burst')));
    expect(all.filter(({ allowed }) => allowed)).toHaveLength(3);
  });
});

describe('an identifier', () => {
  it('is stored as a digest only, which differs from tenant to tenant', async () => {
    await tenantWithLimits('ids-digests');
    await tenantWithLimits('ids-digests-other');
    await check('ids-digests', { identifier: 'somebody@example.org' });
    await check('ids-digests-other', { identifier: 'somebody@example.org' });
    const names = async (tenantId: string) =>
      (await sqlIn(tenantId, 'SELECT name FROM checks')).map(({ name }) => String(name));
    const [[one = ''], [other = '']] = [await names('ids-digests'), await names('ids-digests-other')];
    expect(one).toMatch(/^check\/rate\/signups\/[0-9A-Za-z]{22}$/);
    expect(other).not.toBe(one);
  });

  it('keeps its digest when a keyring entry is added', async () => {
    const secret = () => btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
    const [a, b] = [secret(), secret()];
    const digestBy = (text: string) => {
      const ring = parseKeyring(text);
      if (typeof ring === 'string') throw new Error(ring);
      return new IdentifierDigester(ring).digest('tenant', IP);
    };
    const before = await digestBy(`1:${a}`);
    expect(await digestBy(`2:${b},1:${a}`)).toBe(before);
    expect(await digestBy(`2:${b}`)).not.toBe(before);
  });
});

describe('the store of identifiers', () => {
  const stored = async (tenantId: string) => {
    const [row] = await sqlIn(
      tenantId,
      'SELECT count(*) AS n, coalesce(sum(length(state) + 2 * length(name) + 40), 0) AS bytes FROM checks',
    );
    const [{ bytes } = {}] = await sqlIn(tenantId, 'SELECT bytes FROM checks_size');
    expect(bytes).toBe(row?.bytes);
    return row?.n;
  };

  it('knows its size, and is emptied by an alarm when nothing counts any more', async () => {
    await tenantWithLimits('ids-sized', { rateLimits: [{ ...SIGNUPS, limit: 100 }], quotas: [TRIALS] });
    for (let i = 0; i < 5; i++) {
      for (const identifier of ['a', 'b', 'c']) await check('ids-sized', { identifier });
      advance(1000);
    }
    await check('ids-sized', { identifier: 'a', name: 'trials' });
    expect(await stored('ids-sized')).toBe(4);
    advance(4 * 3_600_000);
    // Rows with open blocks are written anew first.
    for (let i = 0; i < 3; i++) {
      await runDueAlarm('ids-sized');
      advance(4 * 3_600_000);
    }
    expect(await stored('ids-sized')).toBe(1);
    advance(24 * 3_600_000);
    await runDueAlarm('ids-sized');
    expect(await stored('ids-sized')).toBe(0);
  });

  it('that is full drops what is over, refuses new identifiers, and goes on for those it knows', async () => {
    await tenantWithLimits('ids-full');
    await check('ids-full', { identifier: 'over' });
    advance(100_000);
    await check('ids-full', { identifier: 'known' });
    await sqlIn('ids-full', `UPDATE checks_size SET bytes = ${CHECKS_BYTES_MAX - 200}`);
    // The row that is over is dropped, but its room is not enough.
    advance(100_000);
    const refused = await send('ids-full', { identifier: 'new' });
    expect(outcomeOf(refused)).toBe('503 identifiers_full');
    expect(await sqlIn('ids-full', 'SELECT count(*) AS n FROM checks')).toEqual([{ n: 1 }]);
    expect(await check('ids-full', { identifier: 'known' })).toMatchObject({ allowed: true });
    expect(await check('ids-full', { identifier: 'new', cost: 0 })).toMatchObject({ allowed: true, remaining: 3 });
    await sqlIn('ids-full', `UPDATE checks_size SET bytes = ${CHECKS_BYTES_MAX}`);
    expect(outcomeOf(await send('ids-full', { identifier: 'known' }))).toBe('503 identifiers_full');
    // Keys go on.
    const { secret } = await createKey('ids-full', { rateLimits: [SIGNUPS] });
    expect((await verify(secret)).code).toBe('VALID');
  });

  it('never exceeds a small bound under a flood, and never drops what still counts', async () => {
    await tenantWithLimits('ids-flood');
    await runInDurableObject(await tenantObject('ids-flood'), (_, { storage }) => {
      const bound = 8000;
      const table = new CheckTable(storage.sql, bound);
      let now = START;
      let limits = new IdentifierLimits(table, now);
      const charge = (name: string): LimitCharge => ({
        name: 'signups',
        counter: `check/rate/signups/${name}`,
        limit: { kind: 'rate', limit: 2, windowMs: 60_000 },
        cost: 1,
      });
      /** Times at which uses by each identifier were allowed. */
      const allowed = new Map<string, number[]>();
      let refusals = 0;
      for (let i = 0; i < 3000; i++) {
        now += 100;
        const name = `visitor-${i % 7 === 0 ? i % 50 : i}`;
        const decided = limits.check(charge(name), now);
        expect(table.bytes).toBeLessThanOrEqual(bound);
        if (decided === null) refusals += 1;
        else if (decided.refusal === null) allowed.set(name, [...(allowed.get(name) ?? []), now]);
        // A start in between forgets all that only memory knew.
        if (i % 500 === 499) limits = new IdentifierLimits(table, now);
      }
      for (const times of allowed.values()) {
        for (const [i, time] of times.entries()) expect(time - (times[i - 2] ?? 0)).toBeGreaterThan(60_000);
      }
      expect(refusals).toBeGreaterThan(1000);
      expect(allowed.size).toBeGreaterThan(50);
    });
  });
});
