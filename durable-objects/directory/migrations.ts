/**
 * The database of the directory. The text of a released CREATE statement never changes (../tenant/migrations.ts): its
 * "operation" is a command.
 */
import { AUDIT_TABLES } from '../audit-log.ts';
import { IDEMPOTENCY_TABLES } from '../idempotency-store.ts';
import type { Migration } from '../sql/migrate.ts';

export const DIRECTORY_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenants (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    deleting TEXT             -- the operation that decided the deletion, as JSON
  ) STRICT;
  CREATE UNIQUE INDEX tenants_by_id ON tenants (id, incarnation);
  CREATE INDEX tenants_deleting ON tenants (seq) WHERE deleting IS NOT NULL;
  ${AUDIT_TABLES}
  ${IDEMPOTENCY_TABLES}
  `,
  `
  ALTER TABLE tenants ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0;   -- failed ones to finish the deletion
  ALTER TABLE tenants ADD COLUMN attempt_at INTEGER;                    -- when the alarm tries to finish it next
  UPDATE tenants SET attempt_at = 0 WHERE deleting IS NOT NULL;
  DROP INDEX tenants_deleting;
  CREATE INDEX tenants_to_delete ON tenants (attempt_at) WHERE deleting IS NOT NULL;
  ALTER TABLE audit ADD COLUMN on_behalf_of TEXT;
  ALTER TABLE idempotency ADD COLUMN operation_id TEXT;
  CREATE TABLE probe (at INTEGER NOT NULL) STRICT;
  INSERT INTO probe VALUES (0);
  `,
];
