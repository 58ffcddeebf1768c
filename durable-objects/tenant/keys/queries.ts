/** The statements of `KeyTable`. A test checks with EXPLAIN QUERY PLAN that each of them works from an index. */
import { STATUS_SQL } from '../../../domain/keys/status.ts';
import {
  ATTRIBUTE_COLUMNS,
  LIFE_COLUMNS,
  LISTED_COLUMNS,
  NEW_COLUMNS,
  RECORD_COLUMNS,
  REVOCABLE_COLUMNS,
  REVOCATION_COLUMNS,
  ROOM_BYTES,
} from './rows.ts';

/** One `?` for each column. */
const placeholders = (columns: string) => columns.replace(/\w+/g, '?');

/** The statement that writes these columns of a record after a change. */
const setColumns = (columns: string) =>
  `UPDATE keys SET (${columns}, room) = (${placeholders(columns)}, NULL) WHERE seq = ?`;

export const KEY_QUERIES = {
  lastSeq: 'SELECT seq FROM keys ORDER BY seq DESC LIMIT 1',
  byId: `SELECT ${RECORD_COLUMNS} FROM keys WHERE id = ?`,
  importedByDigest: 'SELECT id FROM keys WHERE digest = ? AND hint IS NOT NULL',
  /** The parameter is a JSON array of digests in hexadecimal. */
  importedByDigests: `SELECT value AS digest, id
    FROM (SELECT value FROM json_each(?)) CROSS JOIN keys ON digest = unhex(value) AND hint IS NOT NULL`,
  insert: `INSERT INTO keys (seq, ${NEW_COLUMNS}, room)
    VALUES (?, ${placeholders(NEW_COLUMNS)}, zeroblob(${ROOM_BYTES}))`,
  update: setColumns(LIFE_COLUMNS),
  updateRevoked: setColumns(`${LIFE_COLUMNS}, ${REVOCATION_COLUMNS}`),
  updateAttributes: `UPDATE keys SET (${ATTRIBUTE_COLUMNS}) = (${placeholders(ATTRIBUTE_COLUMNS)}) WHERE seq = ?`,
  /** The parameter is a JSON array of `[seq, time]`. */
  used: `UPDATE keys SET last_used_at = json_extract(value, '$[1]') FROM json_each(?)
    WHERE keys.seq = json_extract(value, '$[0]')`,
  remove: 'DELETE FROM keys WHERE seq = ?',
  listed: `SELECT ${LISTED_COLUMNS} FROM (SELECT value AS at FROM json_each(?)) CROSS JOIN keys ON seq = at`,
  dueStatuses: `SELECT seq, owner, lineage, status, ${STATUS_SQL} AS now
    FROM keys WHERE due_at <= ? ORDER BY due_at LIMIT ?`,
  livingStatuses: {
    owner: `SELECT seq, owner, lineage, status FROM keys
      WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
    lineage: `SELECT seq, owner, lineage, status FROM keys
      WHERE lineage = ? AND revoked_at IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  },
  due: `SELECT ${RECORD_COLUMNS} FROM keys WHERE due_at <= ? ORDER BY due_at LIMIT ?`,
  purge: `DELETE FROM keys WHERE seq IN (SELECT seq FROM keys WHERE ended_at <= ? ORDER BY ended_at LIMIT ?)
    RETURNING seq, id, replaced_by, lineage, sealing_key_id, status, iif(hint IS NULL, NULL, digest) AS imported`,
  livingOf: {
    owner: `SELECT ${REVOCABLE_COLUMNS} FROM keys
      WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
    lineage: `SELECT ${REVOCABLE_COLUMNS} FROM keys
      WHERE lineage = ? AND revoked_at IS NULL AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
  },
  countLivingOf: {
    owner: 'SELECT count(*) AS n FROM keys WHERE owner = ? AND (revoked_at IS NULL) = 1 AND seq > ?',
    lineage: 'SELECT count(*) AS n FROM keys WHERE lineage = ? AND revoked_at IS NULL AND seq > ?',
  },
  unrevokedOfLineage: 'SELECT id FROM keys WHERE lineage = ? AND revoked_at IS NULL LIMIT ?',
  idsOfOwner: 'SELECT id FROM keys WHERE owner = ? LIMIT ?',
  revocableBySeq: `SELECT ${REVOCABLE_COLUMNS} FROM keys WHERE seq = ?`,
  revocable: `SELECT ${REVOCABLE_COLUMNS}
    FROM (SELECT value AS wanted FROM json_each(?)) CROSS JOIN keys ON id = wanted`,
  /** Does what `revokeKey` does, and sets what `lifeValues` derives from a revoked record. */
  revokeAll: `UPDATE keys SET updated_at = ?, revoked_at = ?, revoked_by = ?, version = version + 1,
    status = 'revoked', due_at = NULL, ended_at = ?, room = NULL WHERE seq IN (SELECT value FROM json_each(?))`,
  firstDue: 'SELECT due_at AS at FROM keys WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1',
  firstEnded: 'SELECT ended_at AS at FROM keys WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT 1',
  countDue: 'SELECT count(*) AS n FROM (SELECT 1 FROM keys WHERE due_at <= ? LIMIT ?)',
  countPurgeable: 'SELECT count(*) AS n FROM (SELECT 1 FROM keys WHERE ended_at <= ? LIMIT ?)',
} as const;
