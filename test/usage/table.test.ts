/**
 * What is written comes back, whatever was asked. Random uses are written to real tables and read by every kind of
 * question, page by page, and the answers are compared with sums over a plain list of the uses.
 */
import { runInDurableObject } from 'cloudflare:test';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../../domain/tenants/record.ts';
import { PendingUsage } from '../../domain/usage/pending-usage.ts';
import { USAGE_CODES, type UsageCode } from '../../domain/usage/tally.ts';
import {
  readUsage,
  toNumber,
  toPosition,
  type UsageGroup,
  type UsageQuery,
  type UsageRow,
} from '../../durable-objects/tenant/usage/usage-query.ts';
import { UsageTable } from '../../durable-objects/tenant/usage/usage-table.ts';
import { createTenant } from '../support/api.ts';
import { tenantObject } from '../support/objects.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const T0 = Date.parse('2040-01-20T05:00:00Z');
/** Two months and a bit, so that a question has several periods. */
const SPAN = 70 * DAY;

type Use = {
  readonly keyId: string;
  readonly owner: string | null;
  readonly plan: string | null;
  readonly code: UsageCode;
  readonly units: number;
  readonly at: number;
};

const use: fc.Arbitrary<Use> = fc.record({
  keyId: fc.constantFrom('a', 'b', 'c', 'd'),
  owner: fc.constantFrom(null, 'one', 'two'),
  plan: fc.constantFrom(null, 'free', 'pro'),
  code: fc.constantFrom(...USAGE_CODES.slice(0, 4)),
  units: fc.nat(5),
  // Often the same hour, so that rows have several entries.
  at: fc.oneof(fc.nat(SPAN - 1), fc.nat(5 * HOUR)).map((ms) => T0 + ms),
});

const question: fc.Arbitrary<UsageQuery> = fc
  .record({
    bounds: fc.tuple(fc.nat(SPAN), fc.nat(SPAN)),
    interval: fc.constantFrom('hour' as const, 'day' as const, 'month' as const),
    groupBy: fc.constantFrom(null, 'key' as const, 'owner' as const, 'plan' as const, 'code' as const),
    keyId: fc.constantFrom(null, null, 'a', 'unknown'),
    owner: fc.constantFrom(null, null, 'one'),
    code: fc.constantFrom(null, null, 'VALID' as const, 'REVOKED' as const),
    limit: fc.integer({ min: 1, max: 20 }),
  })
  .map(({ bounds: [a, b], ...rest }) => ({ ...rest, from: T0 + Math.min(a, b), to: T0 + Math.max(a, b), after: null }));

const startOfMonth = (at: number) => Date.UTC(new Date(at).getUTCFullYear(), new Date(at).getUTCMonth(), 1);

/** The answer, in no order. */
function expected(uses: readonly Use[], query: UsageQuery): Map<string, Omit<UsageRow, 'start' | 'group'>> {
  const slot = query.interval === 'hour' ? HOUR : DAY;
  const [from, to] = [Math.floor(query.from / slot) * slot, Math.ceil(query.to / slot) * slot];
  const rows = new Map<string, { verifications: number; valid: number; units: number }>();
  for (const { keyId, owner, plan, code, units, at } of uses) {
    if (at < from || at >= to) continue;
    if (query.keyId !== null && query.keyId !== keyId) continue;
    if (query.owner !== null && query.owner !== owner) continue;
    if (query.code !== null && query.code !== code) continue;
    const group = query.groupBy === null ? null : { key: keyId, owner, plan, code }[query.groupBy];
    const start = query.interval === 'month' ? startOfMonth(at) : Math.floor(at / slot) * slot;
    const name = JSON.stringify([start, group]);
    const row = rows.get(name) ?? { verifications: 0, valid: 0, units: 0 };
    row.verifications += 1;
    if (code === 'VALID') {
      row.valid += 1;
      row.units += units;
    }
    rows.set(name, row);
  }
  return rows;
}

function readAll(sql: SqlStorage, query: UsageQuery, settings = KEPT, now = T0 + SPAN): UsageRow[] {
  const rows: UsageRow[] = [];
  let { after } = query;
  do {
    const page = readUsage(sql, { ...query, after }, settings, now);
    expect(page.items.length).toBeLessThanOrEqual(query.limit);
    rows.push(...page.items);
    after = page.next;
  } while (after !== null);
  return rows;
}

const KEPT = { ...DEFAULT_SETTINGS, usageHourRetentionSeconds: 31_536_000 };

async function inStorage(name: string, run: (storage: DurableObjectStorage) => void): Promise<void> {
  await createTenant(name);
  await runInDurableObject(await tenantObject(name), (_, { storage }) => run(storage));
}

const TABLES = ['usage_hours', 'usage_days', 'usage_names'];
const rowsIn = (sql: SqlStorage) =>
  TABLES.map((table) => sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n);
const empty = (sql: SqlStorage) => {
  for (const table of TABLES) sql.exec(`DELETE FROM ${table}`);
};

/** Counts the uses in time order and writes them in batches, as the object does. */
function write(table: UsageTable, uses: readonly Use[], batch: number, settings = KEPT): void {
  const pending = new PendingUsage();
  for (const one of uses.toSorted((a, b) => a.at - b.at)) {
    pending.count(one, one.code, one.units, one.at);
    const cells = pending.batch(batch, one.at);
    table.write(cells, settings);
    pending.written(cells, one.at);
  }
  for (let cells = pending.batch(batch, T0 + SPAN); cells.length > 0; cells = pending.batch(batch, T0 + SPAN)) {
    table.write(cells, settings);
    pending.written(cells, T0 + SPAN);
  }
}

const named = (rows: readonly UsageRow[]) =>
  new Map(rows.map(({ start, group, ...totals }) => [JSON.stringify([start, group]), totals] as const));

describe('usage', () => {
  it('is what was counted, for every question, however it is written and paged', async () => {
    await inStorage('usage-model', (storage) => {
      const { sql } = storage;
      fc.assert(
        fc.property(
          fc.array(use, { maxLength: 60 }),
          fc.array(question, { minLength: 20, maxLength: 20 }),
          fc.integer({ min: 1, max: 10 }),
          (uses, questions, batch) => {
            empty(sql);
            write(new UsageTable(sql), uses, batch);
            for (const query of questions) {
              const rows = readAll(sql, query);
              const wanted = expected(uses, query);
              expect(rows.length, JSON.stringify(query)).toBe(wanted.size);
              expect(named(rows), JSON.stringify(query)).toEqual(wanted);
            }
          },
        ),
        { numRuns: 60 },
      );
    });
  });

  it('is whole for an owner that had more plans than are read at a time', async () => {
    await inStorage('usage-plans', ({ sql }) => {
      const uses = Array.from({ length: 300 }, (_, i) => ({
        ...{ keyId: `k${i % 7}`, owner: i < 250 ? 'many' : 'other', plan: `p${i}` },
        ...{ code: 'VALID' as const, units: 1, at: T0 },
      }));
      write(new UsageTable(sql), uses, 50);
      const query = { ...{ from: T0, to: T0 + 1, interval: 'month' as const, keyId: null, owner: null, code: null } };
      for (const groupBy of ['owner', 'key', 'plan'] as const) {
        const all = { ...query, groupBy, limit: 3, after: null };
        expect(named(readAll(sql, all))).toEqual(expected(uses, all));
      }
    });
  });

  it('is hidden when it is older than is kept, and deleted in batches with the names that nothing uses', async () => {
    await inStorage('usage-old', (storage) => {
      const { sql } = storage;
      const table = new UsageTable(sql);
      const uses = Array.from({ length: 40 }, (_, i) => ({
        ...{ keyId: `k${i}`, owner: `o${i % 3}`, plan: null, code: 'VALID' as const, units: 1, at: T0 + i * DAY },
      }));
      const settings = { ...DEFAULT_SETTINGS, usageHourRetentionSeconds: 864_000, usageDayRetentionSeconds: 2_592_000 };
      write(table, uses, 10, settings);
      const now = T0 + 40 * DAY;
      const query = { ...{ from: 0, to: now, groupBy: 'key' as UsageGroup, keyId: null, owner: null, code: null } };
      const read = (interval: 'hour' | 'day', at: number) =>
        readAll(sql, { ...query, interval, limit: 100, after: null }, settings, at).length;
      expect([read('hour', now), read('day', now)]).toEqual([10, 30]);
      expect(table.firstDueAt(settings, now)).toBeLessThanOrEqual(now);
      let trimmed = 0;
      while ((table.firstDueAt(settings, now) ?? Number.POSITIVE_INFINITY) <= now) {
        const left = table.countOld(settings, now, 10_000);
        expect(left).toBeGreaterThan(0);
        const n = table.trim(settings, now, 7);
        expect(n).toBeGreaterThan(0);
        expect(n).toBeLessThanOrEqual(7);
        trimmed += n;
      }
      expect(trimmed).toBeGreaterThan(100);
      expect(table.countOld(settings, now, 10_000)).toBe(0);
      expect([read('hour', now), read('day', now)]).toEqual([10, 30]);
      // A year later nothing is left, names included.
      const later = now + 400 * DAY;
      while ((table.firstDueAt(settings, later) ?? Number.POSITIVE_INFINITY) <= later) table.trim(settings, later, 500);
      expect(rowsIn(sql)).toEqual([0, 0, 0]);
      expect(table.firstDueAt(settings, later)).toBeNull();
      // Numbers may be given anew. The table has forgotten those of before.
      write(table, [{ keyId: 'k1', owner: null, plan: null, code: 'VALID', units: 1, at: later }], 10, settings);
      expect(rowsIn(sql)).toEqual([4, 4, 1]);
    });
  });

  it('is not kept by a series whose retention is 0', async () => {
    await inStorage('usage-off', ({ sql }) => {
      const uses = [{ keyId: 'k', owner: null, plan: null, code: 'VALID' as const, units: 1, at: T0 }];
      write(new UsageTable(sql), uses, 1, { ...DEFAULT_SETTINGS, usageHourRetentionSeconds: 0 });
      expect(rowsIn(sql)).toEqual([0, 4, 1]);
    });
  });

  it('has positions that fit into a cursor', () => {
    const position = fc.record({
      period: fc.nat(2 ** 16 - 1),
      subject: fc.nat(2 ** 28 - 1),
      skip: fc.nat(2 ** 9 - 1),
    });
    fc.assert(
      fc.property(position, (at) => {
        expect(Number.isSafeInteger(toNumber(at))).toBe(true);
        expect(toPosition(toNumber(at))).toEqual(at);
      }),
    );
  });
});
