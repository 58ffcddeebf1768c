/**
 * What must be true of a tenant after a kill and a restart. The audit log is replayed. It must contain every
 * acknowledged mutation and no others but attempted ones, and the keys must be as the replay says. This compares the
 * state, the log and the acknowledgements, and shows that each change is there completely or not at all.
 */
import type { AuditEntry, Client, KeyResource } from '../client.ts';
import type { TenantTraffic } from './traffic.ts';

/** The state of a key according to the log. */
type Expected = { name: string; version: number; revoked: boolean; replaces: string | null; replacedBy: string | null };

/** The calls that the check makes. */
export type Questions = Pick<Client, 'keys' | 'audit' | 'verify'>;

/** Secrets verified at the same time. */
const VERIFYING = 16;

export type CheckedTenant = {
  readonly acknowledged: number;
  /** Attempts without a response, and how many of them turned out to be applied. */
  readonly unanswered: number;
  readonly unansweredApplied: number;
};

/** Checks one tenant and throws at the first fault. */
export async function checkTenant(client: Questions, traffic: TenantTraffic): Promise<CheckedTenant> {
  const [keys, audit] = await Promise.all([client.keys(traffic.tenantId), client.audit(traffic.tenantId)]);
  const entries = audit.toReversed().filter(({ action }) => action !== 'tenant.create');
  checkLog(entries, traffic);
  const expected = replay(entries);
  checkKeys(keys, expected);
  await checkSecrets(client, traffic, expected);
  const unanswered = traffic.attempts.filter(({ status }) => status === null);
  const logged = new Set(entries.map(({ requestId }) => requestId));
  return {
    acknowledged: traffic.attempts.filter(({ status }) => status !== null && status < 300).length,
    unanswered: unanswered.length,
    unansweredApplied: unanswered.filter(({ id }) => logged.has(id)).length,
  };
}

/**
 * The log must have one entry for each acknowledged mutation, none for a refused one, at most one for one without a
 * response, and no others.
 */
function checkLog(entries: readonly AuditEntry[], { tenantId, attempts }: TenantTraffic): void {
  const byRequest = Map.groupBy(entries, ({ requestId }) => requestId);
  for (const { id, action, keyId, status } of attempts) {
    const logged = byRequest.get(id) ?? [];
    byRequest.delete(id);
    const acknowledged = status !== null && status < 300;
    demand(logged.length <= 1, `${id}: ${logged.length} audit entries for one attempt`);
    demand(!acknowledged || logged.length === 1, `${id}: ${action} was acknowledged with ${status} and is lost`);
    demand(
      status === null || acknowledged || logged.length === 0,
      `${id}: ${action} was refused (${status}) but is logged`,
    );
    const [entry] = logged;
    if (entry === undefined) continue;
    demand(entry.action === action, `${id}: logged as ${entry.action}, was ${action}`);
    demand(keyId === null || entry.keyId === keyId, `${id}: logged for another key`);
  }
  demand(byRequest.size === 0, `${tenantId}: ${byRequest.size} audit entries of nothing that was attempted`);
}

/** Returns the keys as the log says they became. */
function replay(entries: readonly AuditEntry[]): Map<string, Expected> {
  const keys = new Map<string, Expected>();
  const add = (id: string, name: string, replaces: string | null) => {
    demand(!keys.has(id), `${id} came into being twice`);
    keys.set(id, { name, version: 1, revoked: false, replaces, replacedBy: null });
  };
  // Names were sent as request ids, so that every change of a name shows which request made it.
  for (const { action, keyId = '', requestId, changes } of entries) {
    if (action === 'key.create') {
      add(keyId, requestId, null);
      continue;
    }
    const key = keys.get(keyId);
    if (key === undefined) throw new Error(`${keyId}: ${action} of a key that the log does not create`);
    key.version += 1;
    if (action === 'key.update') key.name = requestId;
    if (action === 'key.revoke') key.revoked = true;
    if (action === 'key.rotate') {
      demand(key.replacedBy === null, `${keyId} was rotated twice`);
      const successorId = changes?.replacedBy;
      if (typeof successorId !== 'string') throw new Error(`${keyId}: its rotation names no successor`);
      key.replacedBy = successorId;
      add(successorId, requestId, keyId);
    }
  }
  return keys;
}

function checkKeys(keys: readonly KeyResource[], expected: ReadonlyMap<string, Expected>): void {
  demand(keys.length === expected.size, `${keys.length} keys are listed, ${expected.size} are in the log`);
  for (const { id, name, version, status, rotation } of keys) {
    const key = expected.get(id);
    if (key === undefined) throw new Error(`${id} is listed, but not in the log`);
    demand(name === key.name && version === key.version, `${id} is not as its last logged change left it`);
    demand(status === statusOf(key), `${id} is ${status}, by the log ${statusOf(key)}`);
    demand(rotation.replaces === key.replaces && rotation.replacedBy === key.replacedBy, `${id} has a half rotation`);
  }
}

async function checkSecrets(client: Questions, { secrets }: TenantTraffic, expected: ReadonlyMap<string, Expected>) {
  const left = secrets.values();
  const verifyAll = async () => {
    for (const { keyId, secret } of left) {
      const key = expected.get(keyId);
      if (key === undefined) throw new Error(`${keyId} was issued and is lost`);
      const { code } = await client.verify(secret);
      demand(
        code === (key.revoked ? 'REVOKED' : 'VALID'),
        `${keyId} verifies as ${code}, by the log it is ${statusOf(key)}`,
      );
    }
  };
  await Promise.all(Array.from({ length: VERIFYING }, verifyAll));
}

/** Grace periods are longer than any campaign. */
function statusOf({ revoked, replacedBy }: Expected): KeyResource['status'] {
  if (revoked) return 'revoked';
  return replacedBy === null ? 'active' : 'rotating';
}

function demand(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
