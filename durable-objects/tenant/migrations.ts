/**
 * The database of a tenant's object. Every index serves a named query (the `*_QUERIES` constants of the files that use
 * the tables). A partial index holds only rows that its queries can select. An index on one column is in `seq` order
 * within equal values, since SQLite ends each entry with the rowid.
 *
 * SQLite stores the text of a CREATE statement, comments in it included. So that text never changes, and a database
 * that was upgraded has the same as a new one.
 */
import { AUDIT_TABLES } from '../audit-log.ts';
import { IDEMPOTENCY_TABLES } from '../idempotency-store.ts';
import type { Migration } from '../sql/migrate.ts';
import { CREDIT_TABLES } from './credits/credit-table.ts';
import { IMPORTED_KEYS } from './keys/imported.ts';
import { STATUS_COUNTS_MIGRATION } from './keys/stored-counts.ts';
import { CHECK_TABLES } from './limits/check-table.ts';
import { COUNTER_TABLES } from './limits/counter-table.ts';
import { OWNER_TABLES } from './owners/owner-table.ts';
import { PLAN_TABLES } from './plans/plan-table.ts';
import { USAGE_TABLES } from './usage/usage-table.ts';

export const TENANT_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenant (
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
    lease_seconds_in_force INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE keys (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    prefix TEXT NOT NULL,
    last_four TEXT NOT NULL,
    owner TEXT,
    scopes TEXT,              -- JSON array, NULL for none
    metadata TEXT,            -- JSON object, NULL for the empty one
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    version INTEGER NOT NULL,
    replaces TEXT,
    replaced_by TEXT,
    rotated_at INTEGER,
    grace_ends_at INTEGER,
    digest BLOB NOT NULL,
    envelope BLOB,
    signing_key_id INTEGER NOT NULL,
    sealing_key_id INTEGER,
    -- What the last write or alarm made of the columns above; readers that need the truth of this moment ask \
statusOf().
    status TEXT NOT NULL,
    due_at INTEGER,           -- when time alone changes the status next
    ended_at INTEGER          -- when the key came to its end
  ) STRICT;
  CREATE UNIQUE INDEX keys_by_id ON keys (id);
  CREATE INDEX keys_by_owner ON keys (owner) WHERE owner IS NOT NULL;
  CREATE INDEX keys_by_prefix ON keys (prefix);
  CREATE INDEX keys_by_name ON keys (name);
  CREATE INDEX keys_by_status ON keys (status);
  CREATE INDEX keys_by_expiry ON keys (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX keys_by_due ON keys (due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX keys_by_end ON keys (ended_at) WHERE ended_at IS NOT NULL;

  -- Revocations of all keys of an owner that are not yet in each key's own row. Replaced by group_revocations below.
  CREATE TABLE owner_revocations (
    owner TEXT PRIMARY KEY,
    revoked_at INTEGER NOT NULL,
    up_to_seq INTEGER NOT NULL,
    written_to_seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- Keys that were given to such an owner afterwards.
  CREATE TABLE owner_newcomers (
    owner TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (owner, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE rotations (
    seq INTEGER PRIMARY KEY,
    predecessor TEXT NOT NULL,
    successor TEXT NOT NULL,
    rotated_at INTEGER NOT NULL,
    grace_ends_at INTEGER NOT NULL,
    cancelled_at INTEGER,
    actor_type TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    successor_first_used_at INTEGER
  ) STRICT;
  CREATE INDEX rotations_by_predecessor ON rotations (predecessor);
  CREATE UNIQUE INDEX rotations_by_successor ON rotations (successor);
  CREATE INDEX rotations_cancelled ON rotations (seq) WHERE cancelled_at IS NOT NULL;

  -- How many keys there are and which keyring entries they depend on (keys/stored-counts.ts).
  CREATE TABLE counts (
    kind TEXT NOT NULL,
    entry INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, entry)
  ) STRICT, WITHOUT ROWID;

  -- Where jobs that walk all keys continue (keys/envelopes.ts).
  CREATE TABLE walks (
    name TEXT PRIMARY KEY,
    seq INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE cleanups (
    seq INTEGER PRIMARY KEY,
    trigger TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    rotations_ended INTEGER NOT NULL,
    purged INTEGER NOT NULL,
    idempotency_purged INTEGER NOT NULL,
    remaining INTEGER NOT NULL
  ) STRICT;

  ${AUDIT_TABLES}
  ${IDEMPOTENCY_TABLES}
  `,
  // Runs before the next migration, which takes most statuses out of the index that this one reads.
  STATUS_COUNTS_MIGRATION,
  // Records whether leases may be out, who created and revoked a key, lineages, revocations of whole groups, and the
  // results of the latest mutations.
  `
  ALTER TABLE tenant ADD COLUMN leases_out INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE keys ADD COLUMN lineage TEXT;
  ALTER TABLE keys ADD COLUMN created_by TEXT;
  ALTER TABLE keys ADD COLUMN revoked_by TEXT;
  ALTER TABLE audit ADD COLUMN on_behalf_of TEXT;
  ALTER TABLE idempotency ADD COLUMN operation_id TEXT;
  ALTER TABLE cleanups ADD COLUMN audit_trimmed INTEGER NOT NULL DEFAULT 0;

  -- Writes the first key of each chain of rotations into the keys that were rotated already. A deleted key does not end
  -- a chain: the key that it replaced, or the one that replaced it, still names it.
  CREATE TABLE links (successor TEXT PRIMARY KEY, predecessor TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO links SELECT id, replaces FROM keys WHERE replaces IS NOT NULL;
  INSERT INTO links SELECT successor, predecessor FROM rotations WHERE true ON CONFLICT DO NOTHING;
  CREATE INDEX links_by_predecessor ON links (predecessor);
  WITH RECURSIVE chain (id, root) AS (
    SELECT DISTINCT predecessor, predecessor FROM links AS first
      WHERE NOT EXISTS (SELECT 1 FROM links WHERE successor = first.predecessor)
    UNION ALL
    SELECT successor, root FROM chain CROSS JOIN links ON predecessor = chain.id
  )
  UPDATE keys SET lineage = root FROM chain WHERE keys.id = chain.id;
  DROP TABLE links;
  CREATE INDEX keys_living_by_lineage ON keys (lineage) WHERE lineage IS NOT NULL AND revoked_at IS NULL;

  -- A creation and a rotation write fewer pages. The index has living and revoked keys of an owner apart, each in
  -- creation order.
  DROP INDEX keys_by_owner;
  CREATE INDEX keys_by_owner ON keys (owner, (revoked_at IS NULL)) WHERE owner IS NOT NULL;
  -- Nearly all keys are active, have the tenant's own prefix and were made by the administrator. Those are found by
  -- walking the table. Keys in grace are in the list of rotations.
  DROP INDEX keys_by_status;
  CREATE INDEX keys_by_status ON keys (status) WHERE status <> 'active' AND status <> 'rotating';
  DROP INDEX keys_by_prefix;
  DROP INDEX audit_by_actor;
  CREATE INDEX audit_by_actor ON audit (actor_id) WHERE actor_id <> 'admin';
  DROP INDEX audit_by_action;
  CREATE INDEX audit_by_action ON audit (action) WHERE action <> 'key.create' AND action <> 'key.rotate';

  -- Revocations of all keys of an owner or a lineage that are not yet in each key's own row
  -- (keys/group-revocations.ts).
  CREATE TABLE group_revocations (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,       -- owner, lineage
    value TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    revoked_by TEXT,
    operation_id TEXT,
    up_to_seq INTEGER NOT NULL,
    written_to_seq INTEGER NOT NULL
  ) STRICT;
  -- Keys that were given to such an owner afterwards.
  CREATE TABLE group_newcomers (
    revocation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (revocation, seq)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO group_revocations (kind, value, revoked_at, up_to_seq, written_to_seq)
    SELECT 'owner', owner, revoked_at, up_to_seq, written_to_seq FROM owner_revocations;
  INSERT INTO group_newcomers (revocation, seq)
    SELECT id, seq FROM owner_newcomers JOIN group_revocations ON value = owner;
  DROP TABLE owner_newcomers;
  DROP TABLE owner_revocations;

  -- A rotation is found by its successor.
  DROP INDEX rotations_by_predecessor;

  -- Results of the latest mutations, written over in place (results.ts).
  CREATE TABLE results (
    slot INTEGER PRIMARY KEY,
    operation TEXT NOT NULL,
    part INTEGER NOT NULL,
    at INTEGER NOT NULL,
    result TEXT NOT NULL
  ) STRICT;
  `,
  // Room that a new row of `keys` leaves for what a rotation or a revocation adds to it (keys/rows.ts). One row for all
  // counts (keys/stored-counts.ts).
  `
  ALTER TABLE keys ADD COLUMN room BLOB;

  CREATE TABLE key_counts (id INTEGER PRIMARY KEY, counts TEXT NOT NULL) STRICT;
  INSERT INTO key_counts SELECT 1, json_group_object(kind || '/' || entry, n) FROM counts WHERE n <> 0;
  DROP TABLE counts;
  `,
  // Owners have records. Those of older keys are made by the alarm.
  OWNER_TABLES,
  // Limits of keys, JSON arrays, NULL for none, and the counters of what was used.
  `
  ALTER TABLE keys ADD COLUMN rate_limits TEXT;
  ALTER TABLE keys ADD COLUMN quotas TEXT;
  ${COUNTER_TABLES}
  `,
  // Plans.
  PLAN_TABLES,
  // Credits.
  CREDIT_TABLES,
  // Limits of a tenant for identifiers without a key, and their counters.
  CHECK_TABLES,
  // Usage, and how many of its rows a cleanup has deleted.
  USAGE_TABLES,
  // Keys that were issued elsewhere.
  IMPORTED_KEYS,
];
