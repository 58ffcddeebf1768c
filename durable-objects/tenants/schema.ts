/**
 * Database of a tenant's object. Every index serves a named query (keys/table.ts, audit.ts); partial ones hold only rows that the query can want.
 * An index on one column is in `seq` order within equal values, since SQLite ends each entry with the rowid.
 */
import { AUDIT_SCHEMA } from '../audit.ts';
import type { Migration } from '../storage/migrations.ts';

export const TENANT_MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE tenant (
    id TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    settings TEXT NOT NULL,
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
    -- What the last write or alarm made of the columns above; readers that need the truth of this moment ask statusOf().
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

  CREATE TABLE cleanups (
    seq INTEGER PRIMARY KEY,
    trigger TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    expired INTEGER NOT NULL,
    rotations_ended INTEGER NOT NULL,
    purged INTEGER NOT NULL,
    remaining INTEGER NOT NULL
  ) STRICT;

  ${AUDIT_SCHEMA}
  `,
];
