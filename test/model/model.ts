/**
 * What Keystead promises about one tenant's keys, as a program small enough to be read as the promise: plain objects, no storage, no alarms. The
 * property tests hold the real service against it.
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
};

export type Model = { disabled: boolean; keys: Map<string, ModelKey>; mutations: number };

export const emptyModel = (): Model => ({ disabled: false, keys: new Map(), mutations: 0 });

export const copyModel = (model: Model): Model => structuredClone(model);

export type Command =
  | { type: 'create'; name: string; owner: string | null; expiresIn: number | null; enabled: boolean }
  | { type: 'rotate'; key: string; grace: number; expiresIn?: number | null }
  | { type: 'revoke'; key: string }
  | { type: 'patch'; key: string; name?: string; enabled?: boolean; expiresIn?: number | null }
  | { type: 'delete'; key: string }
  | { type: 'verify'; key: string };

/** What a caller learns: an HTTP status, with the code of the problem or of the verification. */
export type Observation = { status: number; code?: string };

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

/** Applies one command at `now`. `born` is the id of the key that a create or rotate makes when it succeeds. */
export function apply(model: Model, command: Command, born: string, now: number): Observation {
  if (command.type === 'create') {
    const { name, owner, enabled, expiresIn } = command;
    model.keys.set(born, { ...freshKey(name), owner, enabled, expiresAt: expiresIn === null ? null : now + expiresIn });
    model.mutations += 1;
    return { status: 201 };
  }
  const key = model.keys.get(command.key);
  if (key === undefined) {
    return command.type === 'verify' ? { status: 200, code: 'NOT_FOUND' } : { status: 404, code: 'key_not_found' };
  }
  const status = statusOf(key, now);
  switch (command.type) {
    case 'rotate': {
      if (status === 'rotating') return { status: 409, code: 'key_already_rotating' };
      if (status !== 'active') return { status: 409, code: 'key_not_active' };
      const successor = { ...key, replaces: command.key };
      if (command.expiresIn !== undefined)
        successor.expiresAt = command.expiresIn === null ? null : now + command.expiresIn;
      model.keys.set(born, successor);
      key.replacedBy = born;
      key.graceEndsAt = key.expiresAt === null ? now + command.grace : Math.min(now + command.grace, key.expiresAt);
      model.mutations += 1;
      return { status: 201 };
    }
    case 'revoke':
      if (key.revokedAt === null) model.mutations += 1;
      key.revokedAt ??= now;
      return { status: 200 };
    case 'patch': {
      if (status === 'revoked' || status === 'rotated') return { status: 409, code: 'key_not_active' };
      const before = JSON.stringify(key);
      if (command.name !== undefined) key.name = command.name;
      if (command.enabled !== undefined) key.enabled = command.enabled;
      if (command.expiresIn !== undefined) key.expiresAt = command.expiresIn === null ? null : now + command.expiresIn;
      if (key.graceEndsAt !== null && key.expiresAt !== null)
        key.graceEndsAt = Math.min(key.graceEndsAt, key.expiresAt);
      if (JSON.stringify(key) !== before) model.mutations += 1;
      return { status: 200 };
    }
    case 'delete':
      model.keys.delete(command.key);
      model.mutations += 1;
      return { status: 204 };
    case 'verify': {
      const codes: Record<string, string> = { active: 'VALID', rotating: 'VALID' };
      return { status: 200, code: codes[status] ?? status.toUpperCase() };
    }
  }
}

function freshKey(name: string): ModelKey {
  return {
    name,
    owner: null,
    scopes: [],
    enabled: true,
    expiresAt: null,
    revokedAt: null,
    replaces: null,
    replacedBy: null,
    graceEndsAt: null,
  };
}
