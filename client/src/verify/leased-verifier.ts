/**
 * Verification by leases that this process holds: as an isolate of the server does, it keeps records of keys and one
 * lease for each tenant, and decides by them with the server's own functions. A change of a key returns to its caller
 * only when all leases on the old record have ended, so whatever this process decides is what the server would have
 * decided. (domain/leases/lease.ts)
 *
 * - What is not held costs a call, which brings the record and renews the lease on all that is held of the tenant.
 *   Verifications that wait for it go back to memory afterwards. None is decided by an answer older than itself.
 * - The lease of a tenant in use is renewed in the background shortly before it ends. When that fails, verifications
 *   ask again, and fail when they get no answer.
 * - Keys with limits or credits are always decided by the server.
 * - A key string is never kept: it is found by a fingerprint under a key of this process.
 */
import { FOREIGN_KEY_BYTES_MAX, parseKeyString } from '../../../domain/key-string/key-string.ts';
import type { VerifiedKey } from '../../../domain/keys/record.ts';
import { decide } from '../../../domain/keys/verification.ts';
import { toVerificationAnswer } from '../../../domain/keys/verification-answer.ts';
import { CELLS_OF_RENEWAL_MAX, TENANTS_OF_RENEWAL_MAX, USE_AGO_MS_MAX } from '../../../domain/leases/client-bounds.ts';
import { type Asking, LeaseHolder } from '../../../domain/leases/holder.ts';
import { MemoryBudget } from '../../../domain/memory/budget.ts';
import { LruCache } from '../../../domain/memory/lru-cache.ts';
import { SecretCache } from '../../../domain/memory/secret-cache.ts';
import { objectNameOf } from '../../../domain/tenants/locator.ts';
import type { TenantIdentity } from '../../../domain/tenants/target.ts';
import { HolderUsage, REPORT_COUNTS_WITHIN_MS } from '../../../domain/usage/reports.ts';
import type { KeysVerifyBody, Lease, LeasesRenewBody, LeasesRenewResponse, Verification } from '../api/types.ts';
import { platform } from '../http/platform.ts';
import type { Transport } from '../http/transport.ts';
import { type LeaseClock, leaseClock } from './clock.ts';
import { askServer, type VerifyOptions } from './verify.ts';

export type LeaseOptions = {
  /** Most memory that keys take (bytes), 32 MiB by default: some 20,000 keys of the usual size. */
  readonly maxBytes?: number | undefined;
  /**
   * On platforms that stop a program between requests, such as Workers: keeps work alive after the response. There is
   * no renewal in the background without it.
   */
  readonly waitUntil?: ((work: Promise<unknown>) => void) | undefined;
};

/** A tenant that this process verifies keys of. */
type Tenant = {
  readonly id: string;
  /** Whether a key was verified since the last renewal. */
  isUsed: boolean;
  /** When the lease is to be renewed, if the tenant is used; and when counts are to be reported. */
  renewAt: number;
  reportAt: number;
  isRenewing: boolean;
  /** Whether there were too many tenants. Then it is renewed by verifications alone until it is used again. */
  isForgotten: boolean;
};

type HeldKey = {
  readonly key: VerifiedKey;
  readonly identity: TenantIdentity;
  tenant: Tenant;
  /** The answer for a valid key without warnings. */
  answer: Verification | null;
};

/** Where a key string belongs that the server has answered for. */
type Place = { readonly keyId: string; readonly tenantId: string };

const MAX_BYTES = 32 * 1024 * 1024;
const PLACE_BYTES = 450;
/** A record with its answer, beside the texts of both. */
const HELD_BYTES = 1600;
const LOCATION_BYTES = 150;
const TENANTS_MAX = 20_000;

/** A lease is renewed so long before it ends (ms), and twice the time of an answer on top; never before half of it. */
const RENEW_BEFORE_END_MS = 40;
/** Leases that end within so long of each other are renewed by one call (ms). */
const TOGETHER_MS = 20;
/** A call of another verification that takes longer is not waited for any more (ms), nor a third one. */
const WAIT_MAX_MS = 1000;
const CALLS_WAITED_FOR_MAX = 3;

export class LeasedVerifier {
  readonly #transport: Transport;
  readonly #clock: LeaseClock;
  readonly #waitUntil: ((work: Promise<unknown>) => void) | undefined;
  readonly #leases: LeaseHolder<HeldKey>;
  readonly #places: SecretCache<Place>;
  /** Tenant ids by locator, from keys of them. */
  readonly #locations: LruCache<string>;
  readonly #tenants = new Map<string, Tenant>();
  /** Calls under way by key string, and the latest by tenant. */
  readonly #calls = new Map<string, Promise<unknown>>();
  readonly #callsOfTenants = new Map<string, Promise<unknown>>();
  #timesSetBack = 0;
  /** What the server's clock is ahead of ours at most (ms). */
  #serverAheadMs = 0;
  #answerMs = 0;
  #timer: unknown = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(transport: Transport, { maxBytes = MAX_BYTES, waitUntil }: LeaseOptions = {}, clock = leaseClock()) {
    this.#transport = transport;
    this.#clock = clock;
    this.#waitUntil = waitUntil;
    const memory = new MemoryBudget(maxBytes);
    this.#places = new SecretCache(FOREIGN_KEY_BYTES_MAX, memory);
    this.#locations = new LruCache(memory);
    const usage = new HolderUsage({
      newId: () => platform.crypto.randomUUID(),
      cellsOfReportMax: CELLS_OF_RENEWAL_MAX,
      waitsForPlan: true,
    });
    this.#leases = new LeaseHolder(memory, usage);
  }

  /** Verifies a key string: at once if its key is held, with one call otherwise. */
  verify(text: string, options: VerifyOptions = {}): Verification | Promise<Verification> {
    return this.#decide(text, options) ?? this.#ask(text, options);
  }

  /** Reports what has not been reported, and ends the work in the background. */
  async close(): Promise<void> {
    this.#isClosed = true;
    platform.clearTimeout(this.#timer);
    const ids = new Set(this.#leases.usage.plan());
    for (const { id } of this.#tenants.values()) if (this.#leases.hasUses(id)) ids.add(id);
    await this.#renew([...ids].map((id) => this.#tenantOf(id)));
  }

  // ---- memory ----

  #now(): number {
    const now = this.#clock.now();
    if (this.#clock.timesSetBack !== this.#timesSetBack) {
      this.#timesSetBack = this.#clock.timesSetBack;
      this.#leases.drop();
    }
    return now;
  }

  /** The answer by what is held, null when the server has to be asked. */
  #decide(text: string, { scopes = NO_SCOPES, tenantId, cost, limits, fresh }: VerifyOptions): Verification | null {
    if (fresh || limits !== undefined) return null;
    const place = this.#places.find(text);
    if (place === undefined || (tenantId !== undefined && tenantId !== place.tenantId)) return null;
    const now = this.#now();
    const held = this.#leases.get(place.tenantId, place.keyId, now);
    if (held === null) return null;
    if (held.tenant.isForgotten) held.tenant = this.#tenantOf(place.tenantId);
    const { key, tenant } = held;
    // The tenant is active: leases are granted for active tenants only, and disabling one waits until all have ended.
    const { code, warnings } = decide('active', key, scopes, now + this.#serverAheadMs);
    tenant.isUsed = true;
    if (code === 'VALID') this.#leases.noteUse(place.tenantId, place.keyId, now);
    const planned = this.#leases.usage.count(place.tenantId, held.identity.incarnation, key, code, cost ?? 1, now);
    if (planned !== null) tenant.reportAt = now + planned;
    if (now >= tenant.renewAt && !tenant.isRenewing) this.#renewSoon(tenant);
    if (code !== 'VALID' || warnings.length > 0) {
      return frozen(toVerificationAnswer({ code, tenantId: place.tenantId, key, warnings }));
    }
    held.answer ??= frozen(toVerificationAnswer({ code, tenantId: place.tenantId, key, warnings }));
    return held.answer;
  }

  // ---- calls ----

  async #ask(text: string, options: VerifyOptions): Promise<Verification> {
    const { fresh, limits, tenantId } = options;
    // Nothing but the server's own keys has this form, unless a tenant has imported others.
    const parsed = text.length > FOREIGN_KEY_BYTES_MAX ? null : parseKeyString(text);
    if (parsed === null && (tenantId === undefined || text.length > FOREIGN_KEY_BYTES_MAX)) return MALFORMED;
    const locator = parsed === null ? null : objectNameOf(parsed.locator);
    const of = (locator === null ? tenantId : this.#locations.get(locator)) ?? null;
    if (!fresh && limits === undefined && this.#waitUntil === undefined) {
      for (let waited = 0; waited < CALLS_WAITED_FOR_MAX; waited++) {
        const call = this.#decisiveCall(text, of);
        if (call === undefined || !(await endOf(call, options))) break;
        const decided = this.#decide(text, options);
        if (decided !== null) return decided;
      }
    }
    const call = this.#call(text, options, locator, of);
    return await this.#follow(text, of, call);
  }

  /** The call under way that will probably bring what is missing. */
  #decisiveCall(text: string, tenantId: string | null): Promise<unknown> | undefined {
    const place = this.#places.find(text);
    const awaitsRenewal = place !== undefined && this.#leases.awaitsRenewal(place.tenantId, place.keyId);
    return (
      this.#calls.get(text) ?? (awaitsRenewal && tenantId !== null ? this.#callsOfTenants.get(tenantId) : undefined)
    );
  }

  async #follow<T>(text: string, tenantId: string | null, call: Promise<T>): Promise<T> {
    this.#calls.set(text, call);
    if (tenantId !== null) this.#callsOfTenants.set(tenantId, call);
    try {
      return await call;
    } finally {
      if (this.#calls.get(text) === call) this.#calls.delete(text);
      if (tenantId !== null && this.#callsOfTenants.get(tenantId) === call) this.#callsOfTenants.delete(tenantId);
    }
  }

  async #call(text: string, options: VerifyOptions, locator: string | null, of: string | null): Promise<Verification> {
    const asking = this.#leases.askOnly(of ?? '', this.#now());
    const lease: KeysVerifyBody['lease'] = { rules: 1, known: asking.call.known };
    const { lease: passedOn, ...answer } = await askServer(this.#transport, text, { ...options, lease });
    const now = this.#now();
    this.#answerMs = now - asking.at;
    if (passedOn && answer.tenantId !== undefined && answer.keyId !== undefined) {
      const { tenantId, keyId } = answer;
      if (locator !== null) this.#locations.set(locator, tenantId, LOCATION_BYTES);
      this.#places.remember(text, { keyId, tenantId }, PLACE_BYTES);
      this.#receive(tenantId, asking, passedOn, now);
    }
    return frozen(answer);
  }

  #receive(tenantId: string, asking: Asking, { record, now: serverNow, ...renewal }: Lease, now: number): void {
    const tenant = this.#tenantOf(tenantId);
    // The server's clock showed this after the call was sent, so its time is at most so much ahead.
    this.#serverAheadMs = serverNow - asking.at;
    const got = record === null ? null : this.#heldKey(record, tenant);
    this.#leases.receive(tenantId, asking, renewal, got, now);
    const leftMs = this.#leases.remainingMs(tenantId, now);
    const beforeEnd = Math.min(RENEW_BEFORE_END_MS + 2 * this.#answerMs, leftMs / 2);
    tenant.renewAt = now + leftMs - beforeEnd;
    this.#wakeAt(tenant.renewAt);
  }

  #heldKey({ key, tenant: identity }: NonNullable<Lease['record']>, tenant: Tenant) {
    const record = { key, identity, tenant, answer: null };
    // Its texts count twice, since the answer has them too, and two bytes for each character.
    return { keyId: key.id, record, bytes: HELD_BYTES + 4 * JSON.stringify(key).length, tenant: identity };
  }

  #tenantOf(id: string): Tenant {
    const known = this.#tenants.get(id);
    if (known !== undefined) return known;
    if (this.#tenants.size >= TENANTS_MAX) {
      for (const tenant of this.#tenants.values()) tenant.isForgotten = true;
      this.#tenants.clear();
    }
    const never = { renewAt: Number.POSITIVE_INFINITY, reportAt: Number.POSITIVE_INFINITY };
    const tenant = { id, isUsed: false, ...never, isRenewing: false, isForgotten: false };
    this.#tenants.set(id, tenant);
    return tenant;
  }

  // ---- renewal in the background ----

  #wakeAt(at: number): void {
    if (this.#waitUntil !== undefined || this.#isClosed || at >= this.#timerAt) return;
    platform.clearTimeout(this.#timer);
    this.#timerAt = at;
    const timer = platform.setTimeout(() => this.#wake(), Math.max(at - this.#clock.now(), 1));
    this.#timer = timer;
    // It must not keep a program running that has nothing else to do.
    (timer as { unref?: () => void } | null)?.unref?.();
  }

  #wake(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    const due: Tenant[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const tenant of this.#tenants.values()) {
      const { renewAt, reportAt, isRenewing } = tenant;
      if (isRenewing) continue;
      const isDue = renewAt <= now + TOGETHER_MS && this.#isWanted(tenant);
      if (isDue || reportAt <= now) due.push(tenant);
      else next = Math.min(next, reportAt, renewAt > now ? renewAt : Number.POSITIVE_INFINITY);
    }
    if (due.length > 0) void this.#renew(due);
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(next);
  }

  #isWanted({ id, isUsed }: Tenant): boolean {
    return isUsed || this.#leases.hasUses(id);
  }

  /** Renews on a platform without timers between requests. */
  #renewSoon(tenant: Tenant): void {
    this.#waitUntil?.(this.#renew([tenant]));
  }

  async #renew(tenants: readonly Tenant[]): Promise<void> {
    for (let first = 0; first < tenants.length; first += TENANTS_OF_RENEWAL_MAX) {
      await this.#renewTogether(tenants.slice(first, first + TENANTS_OF_RENEWAL_MAX));
    }
  }

  async #renewTogether(tenants: readonly Tenant[]): Promise<void> {
    const sentAt = this.#now();
    const asked = tenants.map((tenant) => {
      tenant.isRenewing = true;
      tenant.isUsed = false;
      if (tenant.reportAt <= sentAt) tenant.reportAt = Number.POSITIVE_INFINITY;
      return { tenant, asking: this.#leases.ask(tenant.id, sentAt) };
    });
    const renewed = this.#sendRenewal(asked);
    for (const { id } of tenants) this.#callsOfTenants.set(id, renewed);
    const answers = await renewed;
    const now = this.#now();
    this.#answerMs = now - sentAt;
    asked.forEach(({ tenant, asking }, i) => {
      if (this.#callsOfTenants.get(tenant.id) === renewed) this.#callsOfTenants.delete(tenant.id);
      tenant.isRenewing = false;
      this.#end(tenant, asking, answers[i], now);
    });
  }

  /** The answers for these tenants; none when there was no answer. */
  async #sendRenewal(asked: readonly { readonly asking: Asking; readonly tenant: Tenant }[]) {
    const body: LeasesRenewBody = {
      rules: 1,
      tenants: asked.map(({ tenant, asking: { call } }) => ({
        tenantId: tenant.id,
        known: call.known,
        uses: call.uses.map(({ keyId, agoMs }) => ({ keyId, agoMs: Math.min(Math.round(agoMs), USE_AGO_MS_MAX) })),
        usage: call.usage,
      })),
    };
    try {
      const request = { method: 'POST', path: '/v1/leases/renew', body, idempotencyKey: false, retries: 0 } as const;
      const answer = await this.#transport.request(request);
      return (answer.body as LeasesRenewResponse).tenants;
    } catch {
      // Verifications will ask, and tell their callers why that fails.
      return [];
    }
  }

  #end(tenant: Tenant, asking: Asking, answer: LeasesRenewResponse['tenants'][number] | undefined, now: number): void {
    const { usage } = asking.call;
    const isTaken = usage === undefined || answer?.reported === usage.number;
    if (answer?.lease && isTaken) this.#leases.answered(tenant.id, asking);
    else this.#leases.failed(tenant.id, asking);
    if (!answer?.lease) {
      // What could not be reported is tried again at the next renewal, or when the next call has brought a lease.
      tenant.renewAt = Number.POSITIVE_INFINITY;
      return;
    }
    this.#receive(tenant.id, asking, answer.lease, now);
    // One call does not report all of many keys. The renewals of a tenant in use take the rest along.
    if (tenant.reportAt === Number.POSITIVE_INFINITY && this.#leases.usage.isDue(tenant.id)) {
      tenant.reportAt = now + REPORT_COUNTS_WITHIN_MS;
    }
  }
}

const NO_SCOPES: readonly string[] = [];
const MALFORMED: Verification = frozen({ valid: false, code: 'MALFORMED', warnings: [] });

/** Resolves with true when the call of another one has ended, however it did; with false when that takes long. */
function endOf(call: Promise<unknown>, { signal }: VerifyOptions): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = platform.setTimeout(() => resolve(false), WAIT_MAX_MS);
    const end = (hasEnded: boolean) => {
      platform.clearTimeout(timer);
      resolve(hasEnded);
    };
    signal?.addEventListener('abort', () => end(false));
    call.then(
      () => end(true),
      () => end(true),
    );
  });
}

/** Answers are shared by all who ask for the key, so nobody may change them. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
