/** Schemas of usage, and how its rows become a resource or CSV. */
import * as v from 'valibot';
import { USAGE_CODES } from '../../../domain/usage/tally.ts';
import type { UsageGroup, UsageRow } from '../../../durable-objects/tenant/usage/usage-query.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { Csv } from '../../http/csv.ts';
import { cursor, keyId, ownerId, pageOut, time, timeOut } from '../fields.ts';

const FORMATS = ['json', 'csv'] as const;
const INTERVALS = ['hour', 'day', 'month'] as const;
const GROUPS = ['key', 'owner', 'code', 'plan'] as const;

/** Rows are small, and a month of a large tenant has many. */
const limit = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^(?:[1-9][0-9]{0,2}|1000)$/, 'must be a whole number from 1 to 1000'),
    v.metadata({ type: 'integer', minimum: 1, maximum: 1000 }),
    v.transform(Number),
  ),
  '100',
);

export const usageQuery = v.pipe(
  closedObject({
    from: v.exactOptional(time),
    to: v.exactOptional(time),
    interval: v.optional(v.picklist(INTERVALS), 'day'),
    groupBy: v.exactOptional(v.picklist(GROUPS)),
    keyId: v.exactOptional(keyId),
    owner: v.exactOptional(ownerId),
    code: v.exactOptional(v.picklist(USAGE_CODES)),
    format: v.exactOptional(v.picklist(FORMATS)),
    limit,
    cursor,
  }),
  v.forward(
    v.check(({ from, to }) => from === undefined || to === undefined || from < to, 'must be later than from'),
    ['to'],
  ),
);

export const usageRow = v.strictObject({
  /** Start of the hour, day or month in UTC. */
  start: timeOut,
  keyId: v.exactOptional(v.string()),
  owner: v.exactOptional(v.nullable(v.string())),
  plan: v.exactOptional(v.nullable(v.string())),
  code: v.exactOptional(v.string()),
  verifications: v.number(),
  valid: v.number(),
  units: v.number(),
});
export type UsageRowResource = v.InferOutput<typeof usageRow>;

export const usageList = v.strictObject({ data: v.array(usageRow), page: pageOut });

const startOf = ({ start }: UsageRow) => new Date(start).toISOString();

export function toUsageRow(row: UsageRow, groupBy: UsageGroup | null): UsageRowResource {
  const { verifications, valid, units } = row;
  return { start: startOf(row), ...groupIn(row, groupBy), verifications, valid, units };
}

function groupIn({ group }: UsageRow, groupBy: UsageGroup | null) {
  switch (groupBy) {
    case 'key':
      return { keyId: group ?? '' };
    case 'owner':
      return { owner: group };
    case 'plan':
      return { plan: group };
    case 'code':
      return { code: group ?? '' };
    case null:
      return {};
  }
}

const COLUMN_OF = { key: 'keyId', owner: 'owner', plan: 'plan', code: 'code' } as const;

/** The columns of the JSON, in the same order. */
export function toUsageCsv(rows: readonly UsageRow[], groupBy: UsageGroup | null): Csv {
  const counts = ['verifications', 'valid', 'units'];
  const header = groupBy === null ? ['start', ...counts] : ['start', COLUMN_OF[groupBy], ...counts];
  const table = rows.map((row) => {
    const { group, verifications, valid, units } = row;
    const numbers = [verifications, valid, units];
    return groupBy === null ? [startOf(row), ...numbers] : [startOf(row), group, ...numbers];
  });
  return new Csv(header, table);
}
