/**
 * What Keystead promises about one tenant's keys, as a program that is small enough to read: plain objects, no storage,
 * no alarms. The property tests compare the real service with it.
 */

export type ModelKey = {
  name: string;
  owner: string | null;
  scopes: string[];
  enabled: boolean;
  expiresAt: number | null;
  revokedAt: number | null;
  replaces: string | null;
  replacedBy: string | null;
  graceEndsAt: number | null;
  version: number;
};

/** Owners by id. */
export type ModelOwner = { name: string | null; enabled: boolean; version: number };

export type Model = { keys: Map<string, ModelKey>; owners: Map<string, ModelOwner>; mutations: number };

export const emptyModel = (): Model => ({ keys: new Map(), owners: new Map(), mutations: 0 });

export const copyModel = (model: Model): Model => structuredClone(model);

/** Times are milliseconds from now. 0 is not in the future and is refused. */
export type NewKey = { name: string; owner: string | null; expiresIn: number | null; enabled: boolean };

/** `ifVersion` is the version in `If-Match`. */
type OnKey =
  | { type: 'rotate'; key: string; grace: number; expiresIn?: number | null }
  | { type: 'complete'; key: string }
  | { type: 'cancel'; key: string }
  | { type: 'revoke'; key: string; lineage: boolean }
  | {
      type: 'patch';
      key: string;
      name?: string;
      owner?: string | null;
      scopes?: string[];
      enabled?: boolean;
      expiresIn?: number | null;
    }
  | { type: 'delete'; key: string };

export type Mutation =
  | ({ type: 'create' } & NewKey)
  | { type: 'createMany'; keys: NewKey[] }
  | { type: 'import'; keys: NewKey[] }
  | { type: 'revokeIds'; keys: string[] }
  | { type: 'revokeOwner'; owner: string }
  | { type: 'createOwner'; owner: string; enabled: boolean }
  | { type: 'patchOwner'; owner: string; name?: string | null; enabled?: boolean }
  | { type: 'deleteOwner'; owner: string }
  | (OnKey & { ifVersion?: number });

export type Command = Mutation | { type: 'verify'; key: string };

/**
 * What a caller learns: an HTTP status, with the code of the problem or of the verification, or the number of keys
 * revoked.
 */
export type Observation = { status: number; code?: string; revoked?: number };

export function statusOf(key: ModelKey, now: number): string {
  if (key.revokedAt !== null) return 'revoked';
  const bounds: [number | null, string][] = [
    [key.graceEndsAt, 'rotated'],
    [key.expiresAt, 'expired'],
  ];
  for (const [bound, status] of bounds) if (bound !== null && bound <= now) return status;
  if (!key.enabled) return 'disabled';
  return key.replacedBy === null ? 'active' : 'rotating';
}

/** Applies one command at `now`. `born` are the ids of the keys that it makes when it succeeds, in order. */
export function apply(model: Model, command: Command, born: readonly string[], now: number): Observation {
  switch (command.type) {
    case 'create':
      return create(model, [command], born, now);
    case 'createMany':
    case 'import':
      return create(model, command.keys, born, now);
    case 'revokeIds': {
      const keys = [...new Set(command.keys)].map((id) => model.keys.get(id));
      if (keys.includes(undefined)) return { status: 404, code: 'keys_not_found' };
      const revoked = revoke(keys, now);
      model.mutations += revoked;
      return { status: 200, revoked };
    }
    case 'revokeOwner': {
      const keys = [...model.keys.values()].filter(({ owner }) => owner === command.owner);
      const revoked = revoke(keys, now);
      // One audit entry names the owner, and each key has one of its own.
      model.mutations += revoked === 0 ? 0 : revoked + 1;
      return { status: 200, revoked };
    }
    case 'verify': {
      const key = model.keys.get(command.key);
      if (key === undefined) return { status: 200, code: 'NOT_FOUND' };
      const status = statusOf(key, now);
      if (status !== 'active' && status !== 'rotating') return { status: 200, code: status.toUpperCase() };
      const isStopped = model.owners.get(key.owner ?? '')?.enabled === false;
      return { status: 200, code: isStopped ? 'OWNER_DISABLED' : 'VALID' };
    }
    case 'createOwner': {
      if (model.owners.has(command.owner)) return { status: 409, code: 'owner_exists' };
      model.owners.set(command.owner, { name: null, enabled: command.enabled, version: 1 });
      model.mutations += 1;
      return { status: 201 };
    }
    case 'patchOwner': {
      const owner = model.owners.get(command.owner);
      if (owner === undefined) return { status: 404, code: 'owner_not_found' };
      const { name = owner.name, enabled = owner.enabled } = command;
      change(model, owner, { name, enabled });
      return { status: 200 };
    }
    case 'deleteOwner': {
      if (!model.owners.has(command.owner)) return { status: 404, code: 'owner_not_found' };
      const keys = [...model.keys.values()].filter(({ owner }) => owner === command.owner);
      if (!keys.every((key) => hasEnded(key, now))) return { status: 409, code: 'owner_has_keys' };
      model.owners.delete(command.owner);
      model.mutations += 1;
      return { status: 204 };
    }
    default: {
      const key = model.keys.get(command.key);
      if (key === undefined) return { status: 404, code: 'key_not_found' };
      const { ifVersion = key.version } = command;
      if (ifVersion !== key.version) return { status: 412, code: 'precondition_failed' };
      return applyToKey(model, key, command, born, now);
    }
  }
}

/** Applies to all of them or to none. */
function create(model: Model, keys: readonly NewKey[], born: readonly string[], now: number): Observation {
  if (keys.some(({ expiresIn }) => expiresIn === 0)) return { status: 422, code: 'validation_failed' };
  for (const [index, { name, owner, enabled, expiresIn }] of keys.entries()) {
    model.keys.set(born[index] ?? '', {
      ...{ name, owner, scopes: [], enabled, expiresAt: timeIn(expiresIn, now), revokedAt: null },
      ...{ replaces: null, replacedBy: null, graceEndsAt: null, version: 1 },
    });
    named(model, owner);
  }
  model.mutations += keys.length;
  return { status: 201 };
}

function applyToKey(model: Model, key: ModelKey, command: OnKey, born: readonly string[], now: number): Observation {
  const status = statusOf(key, now);
  const successor = model.keys.get(key.replacedBy ?? '');
  switch (command.type) {
    case 'rotate': {
      if (status === 'rotating') return { status: 409, code: 'key_already_rotating' };
      if (status !== 'active') return { status: 409, code: 'key_not_active' };
      if (command.expiresIn === 0) return { status: 422, code: 'validation_failed' };
      const expiresAt = command.expiresIn === undefined ? key.expiresAt : timeIn(command.expiresIn, now);
      const [id = ''] = born;
      model.keys.set(id, { ...key, expiresAt, replaces: command.key, version: 1 });
      change(model, key, {
        replacedBy: id,
        graceEndsAt: Math.min(now + command.grace, key.expiresAt ?? Number.POSITIVE_INFINITY),
      });
      return { status: 201 };
    }
    case 'complete':
      if (status === 'rotated') return { status: 200 };
      if (key.replacedBy === null || hasEnded(key, now)) return { status: 409, code: 'key_not_rotating' };
      change(model, key, { graceEndsAt: now });
      return { status: 200 };
    case 'cancel':
      if (key.replacedBy === null || hasEnded(key, now)) return { status: 409, code: 'key_not_rotating' };
      if (successor !== undefined && successor.replacedBy !== null) return { status: 409, code: 'successor_rotated' };
      change(model, key, { replacedBy: null, graceEndsAt: null });
      revoke([successor], now);
      return { status: 200 };
    case 'revoke':
      model.mutations += revoke(command.lineage ? lineageOf(model, key) : [key], now);
      return { status: 200 };
    case 'patch': {
      if (status === 'revoked' || status === 'rotated') return { status: 409, code: 'key_not_active' };
      if (command.expiresIn === 0) return { status: 422, code: 'validation_failed' };
      const { type: _type, key: _key, expiresIn, ...fields } = command;
      const expiresAt = expiresIn === undefined ? key.expiresAt : timeIn(expiresIn, now);
      const graceEndsAt = key.graceEndsAt && Math.min(key.graceEndsAt, expiresAt ?? Number.POSITIVE_INFINITY);
      const { owner } = key;
      const isChanged = change(model, key, { ...only(fields), expiresAt, graceEndsAt });
      if (isChanged && (key.owner !== owner || !hasEnded(key, now))) named(model, key.owner);
      return { status: 200 };
    }
    case 'delete':
      model.keys.delete(command.key);
      model.mutations += 1;
      return { status: 204 };
  }
}

/** Makes an owner that a key is the first to name. */
function named(model: Model, owner: string | null): void {
  if (owner === null || model.owners.has(owner)) return;
  model.owners.set(owner, { name: null, enabled: true, version: 1 });
}

const hasEnded = (key: ModelKey, now: number) => ['revoked', 'rotated', 'expired'].includes(statusOf(key, now));

/** Makes a new version if anything is different. Returns whether it is. */
function change<T extends { version: number }>(model: Model, thing: T, fields: Partial<T>): boolean {
  const before = JSON.stringify(thing);
  Object.assign(thing, fields);
  if (JSON.stringify(thing) === before) return false;
  thing.version += 1;
  model.mutations += 1;
  return true;
}

/** Counts those that were not revoked before. */
function revoke(keys: readonly (ModelKey | undefined)[], now: number): number {
  const living = keys.filter((key) => key !== undefined && key.revokedAt === null);
  for (const key of living) if (key !== undefined) Object.assign(key, { revokedAt: now, version: key.version + 1 });
  return living.length;
}

function lineageOf(model: Model, key: ModelKey): ModelKey[] {
  const found = [key];
  for (const direction of ['replaces', 'replacedBy'] as const) {
    let relative = model.keys.get(key[direction] ?? '');
    for (; relative !== undefined; relative = model.keys.get(relative[direction] ?? '')) found.push(relative);
  }
  return found;
}

/** The fields of a key that a patch names. */
function only({ name, owner, scopes, enabled }: Partial<ModelKey>): Partial<ModelKey> {
  return {
    ...(name === undefined ? {} : { name }),
    ...(owner === undefined ? {} : { owner }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(enabled === undefined ? {} : { enabled }),
  };
}

const timeIn = (ms: number | null, now: number) => (ms === null ? null : now + ms);
