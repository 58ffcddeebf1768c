/**
 * What deletion promises, as rules over what callers saw: each request with the moments of its start and its end. All
 * tenants have the same id, one after the other. They are told apart by their names: every creation has a new name,
 * except a repetition of the same creation.
 */
import { expect } from 'vitest';

/** A position in the order of events. No two are equal. */
export type Moment = number;

export type Seen = {
  readonly what: What;
  readonly startedAt: Moment;
  /** Infinity while it is under way. */
  endedAt: Moment;
  /** 0 while it is under way. */
  status: number;
  /** The whole response body, except for the request's id. */
  body: Record<string, unknown>;
};

/** `as`: the management key that sends the request, null for the administrator. `key`: the `Idempotency-Key`. */
export type What =
  | { readonly type: 'create'; readonly name: string; readonly key: string | null }
  | { readonly type: 'delete'; readonly key: string | null; readonly as: Grant | null }
  | { readonly type: 'read'; readonly as: Grant | null }
  | { readonly type: 'list' }
  | { readonly type: 'grant' }
  | { readonly type: 'issue'; readonly as: Grant | null }
  | { readonly type: 'reveal'; readonly issued: Issued; readonly as: Grant | null }
  | { readonly type: 'verify'; readonly issued: Issued; readonly as: Grant | null };

/** A management key confined to the tenant. */
export type Grant = { readonly secret: string; readonly made: Seen };
/** A customer's key. */
export type Issued = { readonly id: string; readonly secret: string; readonly made: Seen };

const before = (a: Seen, b: Seen) => a.endedAt < b.startedAt;

/** Returns the tenant's name when a response shows the tenant. */
function nameIn({ what, status, body }: Seen, tenantId: string): string | null {
  if (what.type === 'list' && status === 200) {
    const row = (body.data as { id: string; name: string }[]).find(({ id }) => id === tenantId);
    return row?.name ?? null;
  }
  const shows = (what.type === 'read' && status === 200) || (what.type === 'create' && status === 201);
  return shows ? String(body.name) : null;
}

/**
 * A report that tenants are gone: a response that came at `toldAt` says so. It concerns everything made by a response
 * before `madeBefore`.
 */
type Told = { readonly madeBefore: Moment; readonly toldAt: Moment; readonly why: Seen };

function told(history: readonly Seen[]): Told[] {
  const first = new Map<string, Moment>();
  const reports: Told[] = [];
  for (const seen of history) {
    const { what, status, startedAt, endedAt } = seen;
    if (what.type === 'delete') {
      // The first request with an `Idempotency-Key` may have made the deletion that a later one reports.
      const label = what.key === null ? null : `${what.key} ${what.as?.secret}`;
      const since = label === null ? startedAt : Math.min(startedAt, first.get(label) ?? startedAt);
      if (label !== null) first.set(label, since);
      if (status === 204) reports.push({ madeBefore: since, toldAt: endedAt, why: seen });
    }
    if (what.type === 'create' && status === 201 && body201IsFirst(seen, history)) {
      reports.push({ madeBefore: startedAt, toldAt: endedAt, why: seen });
    }
    // The caller's tenant is gone: the one that the caller's grant was for, and everything before it.
    if ('as' in what && status === 404 && what.type !== 'reveal') {
      const madeBefore = what.as === null ? startedAt : what.as.made.startedAt;
      const isRepeat = what.type === 'delete' && what.key !== null;
      if (!isRepeat) reports.push({ madeBefore, toldAt: endedAt, why: seen });
    }
  }
  return reports;
}

/** Whether this is the only response to its creation, so that the creation happened during the request. */
function body201IsFirst({ what }: Seen, history: readonly Seen[]): boolean {
  return history.filter((other) => other.what.type === 'create' && other.what.name === nameOf(what)).length === 1;
}

const nameOf = (what: What) => (what.type === 'create' ? what.name : null);

/** Nothing of a tenant exists for anybody who starts after somebody was told that it is gone. */
function checkGone(history: readonly Seen[]): void {
  const reports = told(history);
  for (const seen of history) {
    const { what, status, body } = seen;
    const isAlive = what.type === 'verify' ? status === 200 && body.code !== 'NOT_FOUND' : status < 300;
    if (!isAlive || status === 0) continue;
    const things = [
      ...('issued' in what ? [what.issued.made] : []),
      ...('as' in what && what.as !== null && what.type !== 'verify' && what.type !== 'delete' ? [what.as.made] : []),
    ];
    for (const made of things) {
      const broken = reports.find(({ madeBefore, toldAt }) => made.endedAt < madeBefore && toldAt < seen.startedAt);
      expect(broken?.why, `gone, and still there: ${describeSeen(seen)}, made ${describeSeen(made)}`).toBeUndefined();
      // A key that a grant made belongs to the grant's tenant.
      const maker = 'as' in made.what ? made.what.as : null;
      const ended = maker && reports.find((a) => maker.made.endedAt < a.madeBefore && a.toldAt < seen.startedAt);
      expect(ended?.why, `of a tenant that is gone: ${describeSeen(seen)}`).toBeFalsy();
    }
  }
}

/** A grant shows one tenant only, and makes and finds only that tenant's keys. */
function checkGrants(history: readonly Seen[], tenantId: string): void {
  const nameOfGrant = new Map<string, string>();
  const nameOfKey = new Map<string, string>();
  for (const seen of history) {
    if (seen.what.type !== 'read' || seen.what.as === null) continue;
    const name = nameIn(seen, tenantId);
    if (name === null) continue;
    const { secret } = seen.what.as;
    expect(name, `a grant reads another tenant: ${describeSeen(seen)}`).toBe(nameOfGrant.get(secret) ?? name);
    nameOfGrant.set(secret, name);
  }
  for (const seen of history) {
    const { what, status, body } = seen;
    if (!('issued' in what)) continue;
    const isFound = what.type === 'verify' ? status === 200 && body.code === 'VALID' : status === 200;
    if (!isFound) continue;
    const maker = 'as' in what.issued.made.what ? what.issued.made.what.as : null;
    for (const grant of [maker, what.as]) {
      const name = grant && nameOfGrant.get(grant.secret);
      if (!name) continue;
      const known = nameOfKey.get(what.issued.id) ?? name;
      expect(name, `a grant reaches another tenant's key: ${describeSeen(seen)}`).toBe(known);
      nameOfKey.set(what.issued.id, known);
    }
  }
}

/** A created tenant exists until somebody deletes it, and two tenants never alternate. */
function checkAlive(history: readonly Seen[], tenantId: string): void {
  const mayDelete = (from: Moment, to: Moment) =>
    history.some(({ what, status, startedAt, endedAt }) => {
      // A request that failed, or is under way, may still take effect later.
      const until = status === 0 || status >= 500 ? Number.POSITIVE_INFINITY : endedAt;
      return what.type === 'delete' && startedAt < to && until > from;
    });
  for (const created of history) {
    if (created.what.type !== 'create' || created.status !== 201) continue;
    const { name } = created.what;
    for (const seen of history) {
      if (!before(created, seen) || mayDelete(created.startedAt, seen.endedAt)) continue;
      const { what, status } = seen;
      const isRead = (what.type === 'read' && what.as === null) || what.type === 'list';
      // A list names separately the tenants whose objects did not respond.
      const { unavailable } = seen.body;
      const isUnknown = Array.isArray(unavailable) && unavailable.includes(tenantId);
      if (isRead && !isUnknown && status < 500 && status > 0) {
        expect(nameIn(seen, tenantId), `created, and not there: ${describeSeen(seen)}`).toBe(name);
      }
      if ((what.type === 'issue' || what.type === 'grant') && !('as' in what && what.as !== null)) {
        expect(status, `created, and not usable: ${describeSeen(seen)}`).not.toBe(404);
      }
      if (what.type === 'verify' && what.as === null && before(created, what.issued.made) && status === 200) {
        expect(seen.body.code, `created, and its key does not open: ${describeSeen(seen)}`).toBe('VALID');
      }
    }
  }
  const shown = history.filter((seen) => nameIn(seen, tenantId) !== null && seen.what.type !== 'create');
  for (const first of shown) {
    for (const between of shown) {
      if (!before(first, between) || nameIn(first, tenantId) === nameIn(between, tenantId)) continue;
      const again = shown.find((seen) => before(between, seen) && nameIn(seen, tenantId) === nameIn(first, tenantId));
      expect(again, `two tenants of one id by turns: ${describeSeen(between)}`).toBeUndefined();
    }
  }
}

/**
 * The same request with the same `Idempotency-Key` gets the same response. A creation does not return a tenant that is
 * gone.
 */
function checkRepeats(history: readonly Seen[]): void {
  const first = new Map<string, Seen>();
  for (const seen of history) {
    const { what, status, body } = seen;
    if ((what.type !== 'create' && what.type !== 'delete') || what.key === null) continue;
    // A caller whose grant was deleted with the tenant is not authenticated.
    if (status === 0 || status >= 500 || status === 401) continue;
    const label = `${what.type} ${what.key} ${'as' in what ? what.as?.secret : ''}`;
    const kept = first.get(label);
    if (kept === undefined) {
      first.set(label, seen);
      continue;
    }
    const isGone = (one: Seen, other: Seen) => what.type === 'create' && one.status === 201 && other.status === 404;
    if (isGone(kept, seen) || isGone(seen, kept)) continue;
    expect({ status, body }, `a repeat gets another response: ${describeSeen(seen)}`).toEqual({
      status: kept.status,
      body: kept.body,
    });
  }
}

export function judge(history: readonly Seen[], tenantId: string): void {
  checkGone(history);
  checkGrants(history, tenantId);
  checkAlive(history, tenantId);
  checkRepeats(history);
}

export function describeSeen({ what, startedAt, endedAt, status, body }: Seen): string {
  const { type, ...rest } = what;
  const key = 'key' in rest && rest.key !== null ? ` key ${rest.key}` : '';
  const as = 'as' in rest && rest.as !== null ? ` as ${rest.as.secret.slice(-4)}` : '';
  const issued = 'issued' in rest ? ` of ${rest.issued.id.slice(-4)}` : '';
  const name = 'name' in rest ? ` ${rest.name}` : '';
  const code = typeof body.code === 'string' ? ` ${body.code}` : '';
  return `${startedAt}-${endedAt} ${type}${name}${key}${as}${issued}: ${status}${code}`;
}
