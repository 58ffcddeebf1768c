/** Writes keys directly into storage, for tests that need more keys than HTTP can make in a reasonable time. */
import { STATUS_COUNTS_MIGRATION } from '../../durable-objects/tenant/keys/stored-counts.ts';
import { sqlIn } from './objects.ts';

/**
 * Copies the newest key row `count` times. `overrides` are SQL expressions for columns of a copy; `n.value` is its
 * number, from 1. Stored counts do not follow.
 */
export async function multiply(
  tenantId: string,
  count: number,
  overrides: Readonly<Record<string, string>> = {},
): Promise<void> {
  const columns = (await sqlIn(tenantId, "SELECT name FROM pragma_table_info('keys')")).map((row) => String(row.name));
  const values = columns.map((name) =>
    name === 'seq'
      ? 'k.seq + n.value'
      : name === 'id'
        ? "printf('key_%017d', k.seq + n.value)"
        : (overrides[name] ?? name),
  );
  await sqlIn(
    tenantId,
    `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?)
     INSERT INTO keys (${columns}) SELECT ${values} FROM n, (SELECT * FROM keys ORDER BY seq DESC LIMIT 1) AS k`,
    count,
  );
}

/** Recomputes the stored counts by status from the rows. */
export async function recount(tenantId: string): Promise<void> {
  await sqlIn(tenantId, "DELETE FROM counts WHERE kind IN ('keys', 'status')");
  await sqlIn(tenantId, "INSERT INTO counts (kind, entry, n) SELECT 'keys', 0, count(*) FROM keys");
  await sqlIn(tenantId, STATUS_COUNTS_MIGRATION);
}
