/** Which members of the items of a list a table shows. `--json` shows all. */
import type { Operation } from '../api/operations.ts';

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  'keys.list': ['id', 'name', 'status', 'owner', 'hint', 'expiresAt', 'lastUsedAt'],
  'keys.createMany': ['id', 'name', 'owner', 'secret'],
  'rotations.list': ['id', 'predecessor', 'successor', 'state', 'rotatedAt', 'graceEndsAt'],
  'owners.list': ['id', 'name', 'enabled', 'plan', 'credits.remaining', 'createdAt'],
  'plans.list': ['id', 'name', 'allowedScopes', 'updatedAt'],
  'tenants.list': ['id', 'name', 'status', 'createdAt'],
  'managementKeys.list': ['id', 'name', 'role', 'tenantId', 'status', 'hint', 'expiresAt', 'lastUsedAt'],
  'cleanup.list': ['startedAt', 'trigger', 'durationMs', 'expired', 'rotationsEnded', 'purged', 'remaining'],
  'audit.list': ['at', 'action', 'actor.id', 'onBehalfOf', 'keyId', 'requestId'],
  'audit.listOfDeployment': ['at', 'action', 'actor.id', 'onBehalfOf', 'keyId', 'requestId'],
};

/** At most so many columns of a list that has none above. */
const MAX_COLUMNS = 8;

/** The columns for items like this one. */
export function columnsOf({ id }: Operation, item: unknown): readonly string[] {
  const isSimple = ([, value]: [string, unknown]) => typeof value !== 'object' || value === null;
  return (
    COLUMNS[id] ??
    Object.entries(Object(item))
      .filter(isSimple)
      .slice(0, MAX_COLUMNS)
      .map(([name]) => name)
  );
}
