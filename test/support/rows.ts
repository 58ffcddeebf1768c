/** Writes keys directly into storage, for tests that need more keys than HTTP can make in a reasonable time. */
import { KEY_STATUSES } from '../../domain/keys/record.ts';
import { evict, sqlIn } from './objects.ts';

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

/** Recomputes the stored counts by status from the rows. The object starts anew, since it has them in memory. */
export async function recount(tenantId: string): Promise<void> {
  const all = "SELECT 'keys/0' AS name, count(*) AS n FROM keys";
  const byStatus = `SELECT 'status/' || (CASE status ${STATUS_NUMBERS} END), count(*) FROM keys GROUP BY status`;
  const counts = `SELECT json_group_object(name, n) FROM (${all} UNION ALL ${byStatus})`;
  await sqlIn(tenantId, `UPDATE key_counts SET counts = json_patch(counts, (${counts}))`);
  await evict(tenantId);
}

const STATUS_NUMBERS = KEY_STATUSES.map((status, number) => `WHEN '${status}' THEN ${number}`).join(' ');
