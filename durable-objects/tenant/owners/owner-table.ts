/**
 * The table `owners`: a row for each owner that a key ever named, until the row is deleted.
 *
 * Keys from before the table existed have owners without a row. `fill` makes these rows, in batches, by walking the
 * index of owners of keys. Until it is done, such an owner reads as if its row were there.
 */
import {
  NO_OWNER_STATE,
  newOwner,
  type OwnerAttributes,
  type OwnerRecord,
  type OwnerState,
  ownerState,
} from '../../../domain/owners/record.ts';
import { type Order, type Page, startOf, takePage } from '../../sql/paging.ts';
import { foldCase } from '../keys/scan.ts';

/** Part of released migrations: never edit it, comments included (tenant/migrations.ts). */
export const OWNER_TABLES = `
  CREATE TABLE owners (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    metadata TEXT             -- JSON object, NULL for the empty one
  ) STRICT;
  CREATE UNIQUE INDEX owners_by_id ON owners (id);
  CREATE INDEX owners_disabled ON owners (enabled) WHERE enabled = 0;

  -- The owner up to which owners of older keys have a row. Empty when all have one. Owners of management keys get none.
  CREATE TABLE owners_filled (up_to TEXT NOT NULL) STRICT;
  INSERT INTO owners_filled
    SELECT '' FROM tenant WHERE id <> '_system' AND EXISTS (SELECT 1 FROM keys WHERE owner IS NOT NULL);
`;

const COLUMNS = 'seq, id, name, enabled, created_at, created_by, updated_at, version, metadata, plan';

/** The oldest key of an owner. The index has living and revoked keys of an owner apart, each in `seq` order. */
const firstKeyOf = (owner: string) =>
  `(SELECT min(seq) FROM (${[1, 0]
    .map((living) => `SELECT min(seq) AS seq FROM keys WHERE owner = ${owner} AND (revoked_at IS NULL) = ${living}`)
    .join(' UNION ALL ')}))`;
const NEXT_OWNER = 'SELECT owner FROM keys WHERE owner > ? ORDER BY owner LIMIT 1';

export const OWNER_QUERIES = {
  byId: `SELECT ${COLUMNS} FROM owners WHERE id = ?`,
  state: 'SELECT enabled, metadata, plan FROM owners WHERE id = ?',
  insert: `INSERT INTO owners (id, name, enabled, created_at, created_by, updated_at, version, metadata, plan)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq`,
  update: 'UPDATE owners SET (name, enabled, updated_at, version, metadata, plan) = (?, ?, ?, ?, ?, ?) WHERE seq = ?',
  remove: 'DELETE FROM owners WHERE seq = ?',
  /** The last parameter is a JSON array of ids. */
  ensure: `INSERT INTO owners (id, enabled, created_at, created_by, updated_at, version)
    SELECT value, 1, ?, ?, ?, 1 FROM json_each(?) WHERE true ON CONFLICT (id) DO NOTHING`,
  walk: {
    asc: 'SELECT seq, id, name, enabled FROM owners WHERE seq > ? ORDER BY seq',
    desc: 'SELECT seq, id, name, enabled FROM owners WHERE seq < ? ORDER BY seq DESC',
  },
  walkDisabled: {
    asc: 'SELECT seq, id, name, enabled FROM owners WHERE enabled = 0 AND seq > ? ORDER BY seq',
    desc: 'SELECT seq, id, name, enabled FROM owners WHERE enabled = 0 AND seq < ? ORDER BY seq DESC',
  },
  listed: `SELECT ${COLUMNS} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN owners ON seq = at`,
  filledUpTo: 'SELECT up_to FROM owners_filled',
  fillOn: 'UPDATE owners_filled SET up_to = ?',
  filled: 'DELETE FROM owners_filled',
  /** Up to so many owners of keys after the given one, each found in the index by one step. */
  nextOwners: `WITH RECURSIVE found (owner, n) AS (
      SELECT (${NEXT_OWNER}), 1
      UNION ALL
      SELECT (${NEXT_OWNER.replace('?', 'found.owner')}), n + 1 FROM found WHERE owner IS NOT NULL AND n < ?
    ) SELECT owner FROM found WHERE owner IS NOT NULL`,
  firstKey: `SELECT created_at, created_by FROM (SELECT ? AS wanted) CROSS JOIN keys ON seq = ${firstKeyOf('wanted')}`,
  /** Makes rows of those that have keys and no row. The parameter is a JSON array of ids. */
  adopt: `INSERT INTO owners (id, enabled, created_at, created_by, updated_at, version)
    SELECT owner, 1, created_at, created_by, created_at, 1
    FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN keys ON seq = ${firstKeyOf('wanted')}
    WHERE true ON CONFLICT (id) DO NOTHING`,
} as const;

type OwnerRow = {
  seq: number;
  id: string;
  name: string | null;
  enabled: number;
  created_at: number;
  created_by: string | null;
  updated_at: number;
  version: number;
  metadata: string | null;
  plan: string | null;
};
type WalkedRow = Pick<OwnerRow, 'seq' | 'id' | 'name' | 'enabled'>;

/** What a listed owner must match: all of the given filters. */
export type OwnerFilter = {
  readonly enabled?: boolean;
  /** Part of the id or of the name, see `foldCase`. */
  readonly search?: string;
};

/** A page of a list: `after` is the `seq` of the last owner seen, null for the beginning. */
export type OwnerListQuery = {
  readonly filter: OwnerFilter;
  readonly order: Order;
  readonly limit: number;
  readonly after: number | null;
};

export class OwnerTable {
  readonly #sql: SqlStorage;
  #isFilled = true;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  // ---- reading ----

  /** The owner with this id; undefined when there is none. */
  get(id: string): OwnerRecord | undefined {
    const row = this.#sql.exec<OwnerRow>(OWNER_QUERIES.byId, id).toArray()[0];
    if (row !== undefined) return toRecord(row);
    return this.#isFilled ? undefined : this.#unfilled(id);
  }

  /** The record that `fill` would make; undefined when the owner has no key. */
  #unfilled(id: string): OwnerRecord | undefined {
    type First = { created_at: number; created_by: string | null };
    const first = this.#sql.exec<First>(OWNER_QUERIES.firstKey, id).toArray()[0];
    return first && newOwner(id, {}, first.created_by, first.created_at);
  }

  /** What verifications of keys of this owner need to know of it. */
  stateOf(id: string): OwnerState {
    type Row = Pick<OwnerRow, 'enabled' | 'metadata' | 'plan'>;
    const row = this.#sql.exec<Row>(OWNER_QUERIES.state, id).toArray()[0];
    if (row === undefined) return NO_OWNER_STATE;
    return ownerState({ enabled: row.enabled === 1, metadata: row.metadata ?? '{}', plan: row.plan });
  }

  /** One page of the owners that match all filters, in the order in which their rows were made. */
  list({ filter, order, limit, after }: OwnerListQuery): Page<OwnerRecord> {
    const { enabled, search } = filter;
    const query = (enabled === false ? OWNER_QUERIES.walkDisabled : OWNER_QUERIES.walk)[order];
    const folded = search === undefined ? null : foldCase(search);
    const matches = ({ id, name, ...row }: WalkedRow) =>
      (enabled === undefined || row.enabled === (enabled ? 1 : 0)) &&
      (folded === null || foldCase(id).includes(folded) || (name !== null && foldCase(name).includes(folded)));
    const walked = this.#sql.exec<WalkedRow>(query, startOf(order, after));
    const { items, next } = takePage(walked, limit, matches);
    // Only the rows of the page are read with their metadata.
    const seqs = JSON.stringify(items.map(({ seq }) => seq));
    return { items: this.#sql.exec<OwnerRow>(OWNER_QUERIES.listed, seqs).toArray().map(toRecord), next };
  }

  // ---- changes: call them inside the mutation's transaction ----

  /** Makes rows of the owners among these that have none, when keys of theirs are stored at `now` (ms). */
  ensure(ids: readonly string[], by: string, now: number): void {
    // Nearly always the owner of a single key is there, and looking costs a fraction of the statement below.
    if (ids.length === 0 || (ids.length === 1 && this.#has(ids[0] ?? ''))) return;
    const wanted = JSON.stringify(ids);
    this.#adopt(wanted);
    this.#sql.exec(OWNER_QUERIES.ensure, now, by, now, wanted);
  }

  #has(id: string): boolean {
    return this.#sql.exec(OWNER_QUERIES.state, id).toArray().length > 0;
  }

  /** Stores a new owner. */
  insert(record: OwnerRecord): OwnerRecord {
    const { id, createdAt, createdBy, updatedAt, version } = record;
    const { name, enabled, metadata, plan } = columnsOf(record);
    const values = [id, name, enabled, createdAt, createdBy, updatedAt, version, metadata, plan];
    return { ...record, ...this.#sql.exec<{ seq: number }>(OWNER_QUERIES.insert, ...values).one() };
  }

  /** Writes an owner that was read before. */
  update(record: OwnerRecord): OwnerRecord {
    const { name, enabled, metadata, plan } = columnsOf(record);
    const { seq } = record.seq === 0 ? this.#adopted(record.id) : record;
    this.#sql.exec(OWNER_QUERIES.update, name, enabled, record.updatedAt, record.version, metadata, plan, seq);
    return { ...record, seq };
  }

  /** Deletes a row. The caller sees to it that no key of the owner lives, and that all owners have their rows. */
  remove({ seq }: OwnerRecord): void {
    this.#sql.exec(OWNER_QUERIES.remove, seq);
  }

  // ---- owners of keys from before the table existed ----

  /** Whether every owner of a key has its row. */
  get isFilled(): boolean {
    return this.#isFilled;
  }

  /** Reads whether every owner has its row. Call it at the start, and after a transaction that did not commit. */
  reload(): void {
    this.#isFilled = this.#sql.exec(OWNER_QUERIES.filledUpTo).toArray().length === 0;
  }

  /** Makes the rows of up to `limit` owners. */
  fill(limit: number): void {
    const [filled] = this.#sql.exec<{ up_to: string }>(OWNER_QUERIES.filledUpTo).toArray();
    if (filled === undefined) return;
    const found = this.#sql.exec<{ owner: string }>(OWNER_QUERIES.nextOwners, filled.up_to, limit).toArray();
    const owners = found.map(({ owner }) => owner);
    this.#adopt(JSON.stringify(owners));
    const last = owners.at(-1);
    this.#isFilled = last === undefined || owners.length < limit;
    if (this.#isFilled) this.#sql.exec(OWNER_QUERIES.filled);
    else this.#sql.exec(OWNER_QUERIES.fillOn, last);
  }

  #adopt(wanted: string): void {
    if (!this.#isFilled) this.#sql.exec(OWNER_QUERIES.adopt, wanted);
  }

  #adopted(id: string): OwnerRecord {
    this.#adopt(JSON.stringify([id]));
    return toRecord(this.#sql.exec<OwnerRow>(OWNER_QUERIES.byId, id).one());
  }
}

function toRecord(row: OwnerRow): OwnerRecord {
  return {
    seq: row.seq,
    id: row.id,
    name: row.name,
    metadata: row.metadata ?? '{}',
    enabled: row.enabled === 1,
    plan: row.plan,
    createdAt: row.created_at,
    createdBy: row.created_by,
    updatedAt: row.updated_at,
    version: row.version,
  };
}

function columnsOf({ name, enabled, metadata, plan }: OwnerAttributes) {
  return { name, enabled: enabled ? 1 : 0, metadata: metadata === '{}' ? null : metadata, plan };
}
