/**
 * The object's half of leases: it grants them, keeps the list of recent changes that a renewal tells, and says how long
 * a result has to wait until no holder can decide by what was before it.
 *
 * A change commits at once, but returns only when every lease is over that was granted before and under which a holder
 * may use the old record. Whatever else tells a caller that the change has happened (a refusal, a 404, a read of the
 * key) waits as long as the change itself. Otherwise a caller whose first call was cut off would learn too early that
 * the old record is gone.
 *
 * Each method is one turn: what it reads, notes and decides belongs together, so callers must not wait in between.
 * Pure: times are passed in (ms) and must come from one clock.
 */
import { HandedOut } from './handed-out.ts';
import { type Concerned, type Known, outlastMs, type Renewal } from './lease.ts';

/** Keys in the list of changes (about 50 KB). A holder that missed more drops all that it holds of the tenant. */
const CHANGES_MAX = 500;
/** Changes under way that are remembered before the ended ones are removed. */
const SWEEP_RETURNS_AT = 1000;

const NOTHING: readonly string[] = [];

type Entry = { readonly seq: number; readonly keyIds: readonly string[] };

export class LeaseGranter {
  readonly #instance: string;
  /** How often this instance has made all that holders have void. */
  #period = 0;
  #seq = 0;
  /** The list has every change after this one. */
  #from = 0;
  readonly #changes: Entry[] = [];
  #keysInList = 0;
  readonly #changesMax: number;
  readonly #handedOut: HandedOut;
  /** End of the latest lease that this instance granted (ms). */
  #endOfGranted = 0;
  /** Until then a lease of another instance may be in force, and it may have handed out anything (ms). */
  #endOfUnknown = 0;
  /** When the latest change of each key returns (ms). */
  readonly #returnOf = new Map<string, number>();
  /** When the latest change of everything returns (ms). */
  #returnOfEverything = 0;
  /** When the last of all changes under way returns (ms). */
  #lastReturn = 0;
  #sweepReturnsAt = SWEEP_RETURNS_AT;

  /** `instance` names this instance of the object: random and never stored. */
  constructor(
    instance: string,
    { changesMax = CHANGES_MAX, handedOut = new HandedOut() }: { changesMax?: number; handedOut?: HandedOut } = {},
  ) {
    this.#instance = instance;
    this.#changesMax = changesMax;
    this.#handedOut = handedOut;
  }

  get #epoch(): string {
    return `${this.#instance}.${this.#period}`;
  }

  /** Says that until `end` a lease that this instance knows nothing of may be in force. */
  assumeLeased(end: number): void {
    this.#endOfUnknown = Math.max(this.#endOfUnknown, end);
  }

  /** When the last lease ends (ms), as far as this instance knows. */
  get endOfAll(): number {
    return Math.max(this.#endOfGranted, this.#endOfUnknown);
  }

  /** Whether no lease is in force. */
  isQuiet(now: number): boolean {
    return this.endOfAll <= now;
  }

  /** Whether a holder that says this has heard from this instance before. */
  isKnown(known: Known | null): boolean {
    return known?.epoch === this.#epoch;
  }

  /**
   * Grants a lease of `leaseMs`, more than 0, with the changes since what the holder knows. `keyId` is the key whose
   * record the holder gets in the same turn; null for none.
   */
  renew(known: Known | null, keyId: string | null, leaseMs: number, now: number): Renewal {
    this.#endOfGranted = Math.max(this.#endOfGranted, now + outlastMs(leaseMs));
    if (keyId !== null) this.#handedOut.add(keyId);
    const epoch = this.#epoch;
    // A holder that has not heard from this instance has nothing that the list could be about.
    const since = known?.epoch === epoch ? known.seq : this.#seq;
    const from = Math.max(since, this.#from);
    return { epoch, seq: this.#seq, from, changed: this.#changedSince(from), leaseMs };
  }

  /**
   * Records a change that commits at `now`. Returns how long (ms) it has to wait before it returns. `inForceMs` is the
   * longest lease that may be in force.
   */
  change(concerned: Concerned, inForceMs: number, now: number): number {
    if (concerned.length === 0) return 0;
    const held = this.#list(concerned);
    if (held.length > 0) this.#noteReturn(concerned, this.#endOfGranted, now);
    // Until somebody is given the new record, nobody has one that the list does not name.
    if (held === 'everything') this.#handedOut.clear();
    else for (const keyId of held) this.#handedOut.delete(keyId);
    // Never before an earlier change of the same that is under way.
    return this.telling(concerned, inForceMs, now);
  }

  /** Records that these keys are not stored any more. Nobody waits for that: time had ended them long before. */
  removed(keyIds: readonly string[]): void {
    if (keyIds.length > 0) this.#list(keyIds);
  }

  /**
   * How long (ms) a result that tells the state of these keys has to wait at `now`: until the changes of them that are
   * under way have returned. An empty list stands for changes of everything only.
   */
  telling(about: Concerned, inForceMs: number, now: number): number {
    // A change by an earlier instance may be under way.
    let end = Math.max(this.#endOfUnknown, this.#returnOfEverything);
    if (about === 'everything') end = Math.max(end, this.#lastReturn);
    else for (const keyId of about) end = Math.max(end, this.#returnOf.get(keyId) ?? 0);
    return waitUntil(end, inForceMs, now);
  }

  /**
   * How long (ms) the result of a mutation has to wait at `now`: for what it changed (`changed`, null for nothing), and
   * for changes by others that it tells of (`about`), since it may have found a part of its work done already.
   */
  mutation(changed: Concerned | null, about: Concerned, inForceMs: number, now: number): number {
    const othersMs = this.telling(about, inForceMs, now);
    if (changed === null) return othersMs;
    // Nothing was changed that existed before: at most, keys were added. Nobody has a record of them. But a result
    // about everything may tell of keys whose own change is under way: an owner has lost its last one, for example.
    if (changed.length === 0 && about !== 'everything') return 0;
    return Math.max(this.change(changed, inForceMs, now), othersMs);
  }

  /** Removes what has ended. Call it now and then. */
  sweep(now: number): void {
    this.#sweepReturns(now);
    if (!this.#handedOut.isOverflown || !this.isQuiet(now)) return;
    // Nobody can use what was handed out, so it is made void, and counting starts anew.
    this.#period += 1;
    this.#handedOut.clear();
  }

  /** Puts a change on the list that renewals tell. Returns that of it of which a holder may have a record. */
  #list(concerned: Concerned): Concerned {
    const held = concerned === 'everything' ? concerned : concerned.filter((keyId) => this.#handedOut.has(keyId));
    if (held === 'everything' || held.length > this.#changesMax) this.#cut();
    else if (held.length > 0) this.#append(held);
    return held;
  }

  /** A change that makes everything void which holders know. What came before it need not be told any more. */
  #cut(): void {
    this.#seq += 1;
    this.#from = this.#seq;
    this.#changes.length = 0;
    this.#keysInList = 0;
  }

  #append(keyIds: readonly string[]): void {
    this.#seq += 1;
    this.#changes.push({ seq: this.#seq, keyIds });
    this.#keysInList += keyIds.length;
    while (this.#keysInList > this.#changesMax) {
      const oldest = this.#changes.shift();
      if (oldest === undefined) return;
      this.#keysInList -= oldest.keyIds.length;
      this.#from = oldest.seq;
    }
  }

  #changedSince(seq: number): readonly string[] {
    if (seq >= this.#seq) return NOTHING;
    // Entries are in order, and most holders missed few.
    let first = this.#changes.length;
    while (first > 0 && (this.#changes[first - 1]?.seq ?? 0) > seq) first -= 1;
    return [...new Set(this.#changes.slice(first).flatMap(({ keyIds }) => keyIds))];
  }

  #noteReturn(concerned: Concerned, end: number, now: number): void {
    if (end <= now) return;
    this.#lastReturn = Math.max(this.#lastReturn, end);
    if (concerned === 'everything') {
      this.#returnOfEverything = Math.max(this.#returnOfEverything, end);
      return;
    }
    for (const keyId of concerned) this.#returnOf.set(keyId, Math.max(end, this.#returnOf.get(keyId) ?? 0));
    if (this.#returnOf.size >= this.#sweepReturnsAt) this.#sweepReturns(now);
  }

  #sweepReturns(now: number): void {
    for (const [keyId, end] of this.#returnOf) if (end <= now) this.#returnOf.delete(keyId);
    // The threshold doubles with the table, so a change pays for one look on average.
    this.#sweepReturnsAt = Math.max(SWEEP_RETURNS_AT, 2 * this.#returnOf.size);
  }
}

/** How long to wait for `end` (ms). If the clock was set back, nobody waits longer than the longest lease lasts. */
function waitUntil(end: number, inForceMs: number, now: number): number {
  return Math.min(Math.max(end - now, 0), outlastMs(inForceMs));
}
