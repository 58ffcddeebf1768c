/** The operation that reads the usage of a tenant. */
import type { UsageInterval, UsageQuery, UsageRow } from '../../../durable-objects/tenant/usage/usage-query.ts';
import { type Operation, operation, PATH_OF } from '../operation.ts';
import { page } from '../outcomes.ts';
import type { RequestContext } from '../request-context.ts';
import { toUsageCsv, toUsageRow, usageList, usageQuery } from './schemas.ts';

const DAY_MS = 86_400_000;

/** How far back a question goes that says only where it ends (ms). */
const SPAN_MS: Readonly<Record<UsageInterval, number>> = { hour: DAY_MS, day: 30 * DAY_MS, month: 365 * DAY_MS };

/** Steps that one request takes at most. Then the page is short, and its cursor goes on. */
const STEPS_MAX = 10;

const readUsage = operation({
  id: 'usage.read',
  summary: 'Reads how many verifications there were, by hour, day or month, as JSON or CSV',
  method: 'GET',
  path: '/v1/tenants/:tenantId/usage',
  permission: 'usage:read',
  request: { path: PATH_OF.anyTenant, query: usageQuery },
  response: { body: usageList, hasCsv: true },
  errors: ['invalid_cursor'],
  run: async (context, { tenantId, query: { limit, cursor, format, ...asked } }) => {
    const list = { list: 'usage', tenantId, filter: asked };
    const { interval, groupBy = null, keyId = null, owner = null, code = null } = asked;
    const to = asked.to ?? Math.max(Date.now(), asked.from ?? 0) + 1;
    const from = asked.from ?? to - SPAN_MS[interval];
    const filter = { from, to, interval, groupBy, keyId, owner, code };
    const found = await readPage(context, tenantId, {
      ...filter,
      limit,
      after: await context.position(cursor, list),
    });
    const isCsv = format === undefined ? context.wantsCsv : format === 'csv';
    const data = isCsv ? [] : found.items.map((row) => toUsageRow(row, groupBy));
    const outcome = await page(context, data, found, limit, list);
    return isCsv ? { ...outcome, value: toUsageCsv(found.items, groupBy) } : outcome;
  },
});

/** A page in steps of the object, which serves others in between. */
async function readPage(context: RequestContext, tenantId: string, query: UsageQuery) {
  const items: UsageRow[] = [];
  let next = query.after;
  for (let step = 0; step < STEPS_MAX; step++) {
    const rest = { ...query, limit: query.limit - items.length, after: next };
    const found = await context.read(tenantId, (tenant, target) => tenant.readUsage(target, rest));
    items.push(...found.items);
    next = found.next;
    if (next === null || items.length === query.limit) break;
  }
  return { items, next };
}

export const usageOperations: readonly Operation[] = [readUsage];
