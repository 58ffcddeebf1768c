/** Every query of the objects uses an index: its plan scans no table and sorts nothing. */

import { runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { AUDIT_QUERIES } from '../../durable-objects/audit-log.ts';
import type { Directory } from '../../durable-objects/directory/directory.ts';
import { DIRECTORY_QUERIES } from '../../durable-objects/directory/entries.ts';
import { IDEMPOTENCY_QUERIES } from '../../durable-objects/idempotency-store.ts';
import { CLEANUP_QUERIES } from '../../durable-objects/tenant/cleanup-reports.ts';
import { CREDIT_QUERIES } from '../../durable-objects/tenant/credits/credit-table.ts';
import { ENVELOPE_QUERIES } from '../../durable-objects/tenant/keys/envelopes.ts';
import { GROUP_REVOCATION_QUERIES } from '../../durable-objects/tenant/keys/group-revocations.ts';
import { KEY_QUERIES } from '../../durable-objects/tenant/keys/queries.ts';
import { SCAN_QUERIES } from '../../durable-objects/tenant/keys/scan.ts';
import { COUNT_QUERIES } from '../../durable-objects/tenant/keys/stored-counts.ts';
import { CHECK_QUERIES } from '../../durable-objects/tenant/limits/check-table.ts';
import { COUNTER_QUERIES } from '../../durable-objects/tenant/limits/counter-table.ts';
import { OWNER_QUERIES } from '../../durable-objects/tenant/owners/owner-table.ts';
import { PLAN_QUERIES } from '../../durable-objects/tenant/plans/plan-table.ts';
import { RESULT_QUERIES } from '../../durable-objects/tenant/results.ts';
import { ROTATION_QUERIES } from '../../durable-objects/tenant/rotations.ts';
import { createTenant } from '../support/api.ts';
import { tenantObject } from '../support/objects.ts';

const TABLES =
  'keys|audit|tenants|rotations|idempotency|key_counts|walks|counters|owners(?!_)|plans|credits|checks(?!_)';
/** A scan of an index in the wanted order stops at the limit. A scan of a table without an index does not. */
const SCAN_OF_TABLE = new RegExp(`^SCAN (?:${TABLES})(?! USING (?:COVERING )?INDEX)`);

const leaves = (queries: object): string[] =>
  Object.values(queries).flatMap((query) => (typeof query === 'string' ? [query] : leaves(query)));

/** The plan of a query, one line a step. The values of the bindings hardly matter, because there are no statistics. */
function planOf(sql: SqlStorage, query: string): string[] {
  const bindings = [...query.matchAll(/\?/g)].map(() => 1);
  return sql
    .exec<{ detail: string }>(`EXPLAIN QUERY PLAN ${query}`, ...bindings)
    .toArray()
    .map((row) => row.detail);
}

const expectIndexed = (query: string, plan: readonly string[]) => {
  for (const step of plan) {
    expect(step, query).not.toMatch(SCAN_OF_TABLE);
    expect(step, query).not.toContain('TEMP B-TREE');
  }
};

describe('queries', () => {
  it('of a tenant scan no table and sort nothing', async () => {
    await createTenant('plans');
    await runInDurableObject(await tenantObject('plans'), (_, { storage }) => {
      // Exceptions. The newest row is at the end of the table: one step, though the plan calls it a scan. The others
      // read small tables: the last reports, the revocations under way, a day's stored responses.
      const whole = [
        AUDIT_QUERIES.last,
        AUDIT_QUERIES.first,
        KEY_QUERIES.lastSeq,
        CLEANUP_QUERIES.latest,
        GROUP_REVOCATION_QUERIES.all,
        GROUP_REVOCATION_QUERIES.newcomers,
        RESULT_QUERIES.last,
        RESULT_QUERIES.find,
        IDEMPOTENCY_QUERIES.countSealed,
        CREDIT_QUERIES.any,
      ] as const;
      const all = [
        KEY_QUERIES,
        SCAN_QUERIES,
        AUDIT_QUERIES,
        CLEANUP_QUERIES,
        ROTATION_QUERIES,
        ENVELOPE_QUERIES,
        COUNT_QUERIES,
        GROUP_REVOCATION_QUERIES,
        RESULT_QUERIES,
        IDEMPOTENCY_QUERIES,
        OWNER_QUERIES,
        COUNTER_QUERIES,
        PLAN_QUERIES,
        CREDIT_QUERIES,
        CHECK_QUERIES,
      ];
      for (const query of leaves(all)) {
        if (!whole.some((small) => small === query)) expectIndexed(query, planOf(storage.sql, query));
      }
    });
  });

  it('of the directory scan no table and sort nothing', async () => {
    const stub = env.DIRECTORY.get(env.DIRECTORY.idFromName('directory')) as unknown as DurableObjectStub<Directory>;
    await runInDurableObject(stub, (_, { storage }) => {
      for (const query of leaves(DIRECTORY_QUERIES)) expectIndexed(query, planOf(storage.sql, query));
    });
  });
});
