/** The table `keys`: what reads and writes it, and the keys that are verified often, in memory. */
import type { KeyRecord, KeyStatus, ListedKey, NewRecord } from '../../../domain/keys/record.ts';
import { endedAt, nextTransitionAt, statusOf } from '../../../domain/keys/status.ts';
import { creditsOfKey, creditsOfOwner } from '../../../domain/limits/credits.ts';
import { LruCache } from '../../../domain/memory/lru-cache.ts';
import { NO_OWNER_STATE } from '../../../domain/owners/record.ts';
import { earliest } from '../../jobs/alarm-clock.ts';
import { CreditTable } from '../credits/credit-table.ts';
import { OwnerTable } from '../owners/owner-table.ts';
import { PlanTable } from '../plans/plan-table.ts';
import { type GroupRevocation, GroupRevocations, type KeyGroup } from './group-revocations.ts';
import { type HotKey, hotBytes, hotKeyOf } from './hot-key.ts';
import { firstOf, includesDigest, nameOf, RemovedDigests } from './imported.ts';
import { KEY_QUERIES } from './queries.ts';
import {
  attributeValues,
  type KeyRow,
  type ListedRow,
  lifeValues,
  newValues,
  type RevocableKey,
  type StoredStatus,
  storedStateOf,
  toListed,
  toNew,
  toRecord,
} from './rows.ts';
import { KeyScan } from './scan.ts';
import { Counts, storedState } from './stored-counts.ts';

export class KeyTable {
  readonly counts: Counts;
  readonly groupRevocations: GroupRevocations;
  readonly scan: KeyScan;
  readonly owners: OwnerTable;
  readonly plans: PlanTable;
  readonly credits: CreditTable;
  /** Digests of imported keys that holders may know although they are not stored any more. */
  readonly removedDigests = new RemovedDigests();
  /** Ids of existing records that were changed since the last `takeWritten`, by themselves or with their owner. */
  readonly #changed = new Set<string>();
  /** Ids of records that were purged since then. */
  readonly #purged: string[] = [];
  /** When the first of what was written since then is due, and when the first of it ended (ms); null for never. */
  #dueAt: number | null = null;
  #endedAt: number | null = null;
  readonly #hot = new LruCache<HotKey>();
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.counts = new Counts(sql);
    this.groupRevocations = new GroupRevocations(sql);
    this.scan = new KeyScan(sql, this.counts, this.groupRevocations);
    this.owners = new OwnerTable(sql);
    this.plans = new PlanTable(sql);
    this.credits = new CreditTable(sql);
  }

  /** The record with this id; undefined when there is none. Ids compare case-sensitively. */
  get(id: string): KeyRecord | undefined {
    return this.#set(KEY_QUERIES.byId, id)[0];
  }

  /**
   * The record for a verification, from memory if it was verified lately. Memory never differs from storage: every
   * write to a row drops the key from memory, and a change of an owner drops its keys (`ownerChanged`). A change of a
   * plan drops all, and so does a transaction that does not commit (`forgetHot`).
   */
  getHot(id: string): HotKey | undefined {
    const known = this.#hot.get(id);
    if (known !== undefined) return known;
    const record = this.get(id);
    if (record === undefined) return undefined;
    const owner = record.owner === null ? NO_OWNER_STATE : this.owners.stateOf(record.owner);
    const plan = record.plan ?? owner.ownerPlan ?? null;
    const state = plan === null ? null : (this.plans.get(plan) ?? null);
    const hot = hotKeyOf(record, owner, state, this.#creditHolderOf(record));
    this.#hot.set(id, hot, hotBytes(hot));
    return hot;
  }

  /** The id of the imported key that has this digest; undefined when there is none. */
  idOfImported(digest: Uint8Array): string | undefined {
    const wanted = new Uint8Array(digest).buffer;
    return this.#sql.exec<{ id: string }>(KEY_QUERIES.importedByDigest, wanted).toArray()[0]?.id;
  }

  /** The same for many digests at once: the ids by the names of the digests. */
  idsOfImported(digests: readonly Uint8Array[]): ReadonlyMap<string, string> {
    type Row = { digest: string; id: string };
    const rows = this.#sql.exec<Row>(KEY_QUERIES.importedByDigests, JSON.stringify(digests.map(nameOf)));
    return new Map(Array.from(rows, ({ digest, id }) => [digest, id]));
  }

  /**
   * The imported key that has one of these digests, as `getHot` returns it. `likelyId`: the id that it had when it was
   * last found, which spares the search.
   */
  getHotImported(digests: readonly Uint8Array[], likelyId: string | null): HotKey | undefined {
    const known = likelyId === null ? undefined : this.getHot(likelyId);
    if (known !== undefined && known.record.hint !== null && includesDigest(digests, known.record.digest)) return known;
    const id = firstOf(digests, (digest) => this.idOfImported(digest));
    return id === undefined ? undefined : this.getHot(id);
  }

  /** Whose credits a key draws on: its own, else those of its owner; null for none. */
  #creditHolderOf(record: KeyRecord): string | null {
    const holders = [creditsOfKey(record), ...(record.owner === null ? [] : [creditsOfOwner(record.owner)])];
    const found = this.credits.getMany(holders);
    return holders.find((holder) => found.has(holder)) ?? null;
  }

  /** Makes this key the first to go from memory. For keys that others hold now, so that this object is asked seldom. */
  demoteHot(id: string): void {
    this.#hot.demote(id);
  }

  /** Drops all keys from memory. For writes that do not name each row. */
  forgetHot(): void {
    this.#hot.clear();
  }

  /** Stores a new record, which lives. */
  insert(record: NewRecord, now: number): void {
    const status = statusOf(record, now);
    this.#sql.exec(KEY_QUERIES.insert, this.#nextSeq(), ...newValues(record, status, now));
    this.#noteTimes(record, now);
    this.counts.follow(null, storedState(record.signingKeyId, record.sealingKeyId, status));
  }

  /** Writes a record whose life went on, with the status that time gives it at `now` (ms). */
  update(record: KeyRecord, now: number): void {
    this.#touch(record.id);
    const { revokedAt, revokedBy, seq } = record;
    const life = lifeValues(record, now);
    if (revokedAt === null) this.#sql.exec(KEY_QUERIES.update, ...life, seq);
    else this.#sql.exec(KEY_QUERIES.updateRevoked, ...life, revokedAt, revokedBy, seq);
    this.#noteTimes(record, now);
    this.counts.follow(storedStateOf(record), storedStateOf({ ...record, storedStatus: statusOf(record, now) }));
  }

  /** Writes a record whose attributes differ from those of `before`. */
  updateAttributes(before: KeyRecord, record: KeyRecord, now: number): void {
    if (record.owner !== null && before.owner !== record.owner)
      this.groupRevocations.addNewcomer(record.owner, record.seq);
    this.#sql.exec(KEY_QUERIES.updateAttributes, ...attributeValues(toNew(record)), record.seq);
    this.update(record, now);
  }

  /**
   * Records when keys were used last. This does not count as a change of the records. Rows that were deleted are
   * skipped.
   */
  markUsed(uses: readonly (readonly [seq: number, at: number])[]): void {
    this.#sql.exec(KEY_QUERIES.used, JSON.stringify(uses));
  }

  /** Deletes a record. */
  remove(record: KeyRecord): void {
    this.#touch(record.id);
    this.counts.follow(storedStateOf(record), null);
    if (record.hint !== null) this.removedDigests.add(record.digest);
    this.#sql.exec(KEY_QUERIES.remove, record.seq);
  }

  /**
   * Call this when something of an owner has changed that verifications of its keys tell or depend on. Returns what
   * that concerns when the owner has more than `max` keys, ended ones included; null when it concerns these keys.
   */
  ownerChanged(owner: string, max: number): 'everything' | null {
    const ids = this.#sql.exec<{ id: string }>(KEY_QUERIES.idsOfOwner, owner, max + 1).toArray();
    if (ids.length > max) {
      this.forgetHot();
      return 'everything';
    }
    for (const { id } of ids) this.#touch(id);
    return null;
  }

  /**
   * The same for the keys of a lineage, as to something that they share. Revoked keys share nothing any more.
   */
  lineageChanged(lineage: string, max: number): 'everything' | null {
    const ids = this.#sql.exec<{ id: string }>(KEY_QUERIES.unrevokedOfLineage, lineage, max + 1).toArray();
    if (ids.length > max) {
      this.forgetHot();
      return 'everything';
    }
    for (const { id } of ids) this.#touch(id);
    return null;
  }

  /** Whether a lineage has a key whose row does not say revoked. */
  hasUnrevoked(lineage: string): boolean {
    return this.#sql.exec(KEY_QUERIES.unrevokedOfLineage, lineage, 1).toArray().length > 0;
  }

  #touch(id: string): void {
    this.#changed.add(id);
    this.#hot.delete(id);
  }

  /**
   * What was written since the last call: the ids of changed records and of purged ones, when time changes the first of
   * the written records next (ms), and when the first of them ended (ms).
   */
  takeWritten(): {
    readonly changed: readonly string[];
    readonly purged: readonly string[];
    readonly dueAt: number | null;
    readonly endedAt: number | null;
  } {
    const purged = this.#purged.splice(0);
    const written = { changed: [...this.#changed], purged, dueAt: this.#dueAt, endedAt: this.#endedAt };
    this.#changed.clear();
    this.#dueAt = null;
    this.#endedAt = null;
    return written;
  }

  #noteTimes(record: KeyRecord | NewRecord, now: number): void {
    this.#dueAt = earliest(this.#dueAt, nextTransitionAt(record, now));
    this.#endedAt = earliest(this.#endedAt, endedAt(record, now));
  }

  /** How many keys there are. */
  count(): number {
    return this.counts.byEntry('keys').get(0) ?? 0;
  }

  /** The keys with these `seq`, in this order; without those that were deleted. */
  listed(seqs: readonly number[]): ListedKey[] {
    if (seqs.length === 0) return [];
    const rows = this.#sql.exec(KEY_QUERIES.listed, JSON.stringify(seqs)).raw<ListedRow>();
    return Array.from(rows, (row) => this.groupRevocations.overlay(toListed(row)));
  }

  /** Keys whose stored status lags behind the time, with both statuses, earliest first. */
  dueStatuses(now: number, limit: number): (StoredStatus & { readonly now: KeyStatus })[] {
    return this.#sql.exec<StoredStatus & { now: KeyStatus }>(KEY_QUERIES.dueStatuses, now, now, now, limit).toArray();
  }

  /**
   * Keys of a group whose rows do not say revoked, with their stored statuses: those after `after`, up to and including
   * `upTo`.
   */
  livingStatuses({ kind, value }: KeyGroup, after: number, upTo: number, limit: number): StoredStatus[] {
    return this.#sql.exec<StoredStatus>(KEY_QUERIES.livingStatuses[kind], value, after, upTo, limit).toArray();
  }

  /** Keys whose stored status lags behind the time, earliest first. */
  due(now: number, limit: number): KeyRecord[] {
    return this.#set(KEY_QUERIES.due, now, limit);
  }

  /** Deletes up to `limit` keys that ended at or before `endedBefore` (ms), earliest first. */
  purge(endedBefore: number, limit: number): Pick<KeyRecord, 'id' | 'seq' | 'replacedBy' | 'lineage'>[] {
    type Row = {
      seq: number;
      id: string;
      replaced_by: string | null;
      lineage: string | null;
      sealing_key_id: number | null;
      status: KeyStatus;
      imported: ArrayBuffer | null;
    };
    const purged = this.#sql.exec<Row>(KEY_QUERIES.purge, endedBefore, limit).toArray();
    for (const { id, imported } of purged) {
      if (imported !== null) this.removedDigests.add(new Uint8Array(imported));
      this.#hot.delete(id);
      this.#purged.push(id);
    }
    for (const { sealing_key_id: envelope, status } of purged) {
      this.counts.follow({ signature: null, envelope, status }, null);
    }
    return purged.map(({ id, seq, replaced_by, lineage }) => ({ id, seq, replacedBy: replaced_by, lineage }));
  }

  /** When time changes the first stored status (ms); null for never. */
  firstDueAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstDue).toArray()[0]?.at ?? null;
  }

  /** When the key that ended first did so (ms); null when none has. */
  firstEndedAt(): number | null {
    return this.#sql.exec<{ at: number }>(KEY_QUERIES.firstEnded).toArray()[0]?.at ?? null;
  }

  /** How many rows have a status that lags behind `now` (ms), counted up to `limit`. */
  countDue(now: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(KEY_QUERIES.countDue, now, limit).one().n;
  }

  /** How many keys ended at or before `endedBefore` (ms), counted up to `limit`. */
  countPurgeable(endedBefore: number, limit: number): number {
    return this.#sql.exec<{ n: number }>(KEY_QUERIES.countPurgeable, endedBefore, limit).one().n;
  }

  /** The keys with these ids, pending group revocations applied; without those that do not exist. */
  revocable(ids: readonly string[]): RevocableKey[] {
    return this.#revocable(KEY_QUERIES.revocable, JSON.stringify(ids));
  }

  /** Revokes keys that are not revoked yet, hundreds in one statement. Large columns are not read. */
  revokeAll(keys: readonly RevocableKey[], at: number, by: string | null): void {
    if (keys.length === 0) return;
    for (const key of keys) {
      this.#touch(key.id);
      this.counts.follow(storedStateOf(key), storedStateOf({ ...key, storedStatus: 'revoked' }));
    }
    this.#sql.exec(KEY_QUERIES.revokeAll, at, at, by, at, JSON.stringify(keys.map(({ seq }) => seq)));
    this.#endedAt = earliest(this.#endedAt, at);
  }

  /**
   * Up to `limit` keys of a group that are not revoked, by their rows and by pending revocations: first newcomers of
   * pending revocations, then the others in creation order.
   */
  livingOf(group: KeyGroup, limit: number): RevocableKey[] {
    const { groupRevocations } = this;
    const from = groupRevocations.coveredUpTo(group);
    const newcomers = groupRevocations.newcomersOf(group).flatMap((seq) => this.#revocableBySeq(seq));
    const stillOf = newcomers.filter((record) => record[group.kind] === group.value);
    const later = this.#revocable(KEY_QUERIES.livingOf[group.kind], group.value, from, Number.MAX_SAFE_INTEGER, limit);
    return [...stillOf, ...later].filter(({ revokedAt }) => revokedAt === null).slice(0, limit);
  }

  /** How many keys `livingOf` would find without a limit. For groups that are too large to be read. */
  countLivingOf(group: KeyGroup): number {
    const { groupRevocations } = this;
    const from = groupRevocations.coveredUpTo(group);
    const later = this.#sql.exec<{ n: number }>(KEY_QUERIES.countLivingOf[group.kind], group.value, from).one().n;
    const newcomers = groupRevocations.newcomersOf(group).flatMap((seq) => this.#revocableBySeq(seq));
    const stillOf = newcomers.filter((record) => record[group.kind] === group.value && record.revokedAt === null);
    return later + stillOf.length;
  }

  /** Revokes all keys of a group that exist now, in one write (group-revocations.ts). */
  revokeGroup(group: KeyGroup, by: string, commandId: string, now: number): void {
    const upToSeq = this.#lastSeq();
    this.groupRevocations.add({ ...group, revokedAt: now, revokedBy: by, commandId, upToSeq });
    this.forgetHot();
  }

  /** Writes a pending revocation into the next rows of its group. Returns the keys that were written. */
  writeGroupRevocation(revocation: GroupRevocation, limit: number): RevocableKey[] {
    const { value, kind, upToSeq, writtenToSeq, revokedAt, revokedBy } = revocation;
    const rows = this.#sql
      .exec<RevocableKey>(KEY_QUERIES.livingOf[kind], value, writtenToSeq, upToSeq, limit)
      .toArray();
    // Skips newcomers, and keys that an older pending revocation covers: that one writes them.
    const written = rows.filter((record) => this.groupRevocations.of(record)?.id === revocation.id);
    this.revokeAll(written, revokedAt, revokedBy);
    this.groupRevocations.markWritten(revocation, rows.length < limit ? null : (rows.at(-1)?.seq ?? null));
    return written;
  }

  #set(query: string, ...bindings: SqlStorageValue[]): KeyRecord[] {
    const rows = this.#sql.exec(query, ...bindings).raw<KeyRow>();
    return Array.from(rows, (row) => this.groupRevocations.overlay(toRecord(row)));
  }

  #revocable(query: string, ...bindings: SqlStorageValue[]): RevocableKey[] {
    return this.#sql
      .exec<RevocableKey>(query, ...bindings)
      .toArray()
      .map((key) => this.groupRevocations.overlay(key));
  }

  #revocableBySeq(seq: number): RevocableKey[] {
    return this.#revocable(KEY_QUERIES.revocableBySeq, seq);
  }

  #lastSeq(): number {
    return this.#sql.exec<{ seq: number }>(KEY_QUERIES.lastSeq).toArray()[0]?.seq ?? 0;
  }

  /**
   * The `seq` for a new key; null lets storage choose. Storage may choose a number that a pending group revocation
   * covers, which must not be given to a new key.
   */
  #nextSeq(): number | null {
    const { pending } = this.groupRevocations;
    return pending.length === 0 ? null : Math.max(this.#lastSeq(), ...pending.map(({ upToSeq }) => upToSeq)) + 1;
  }
}
