/** Schemas of management keys, and how a record becomes a resource. */
import * as v from 'valibot';
import { KEY_STATUSES, type KeyView } from '../../../domain/keys/record.ts';
import { grantOf } from '../../auth/management-key.ts';
import { PERMISSIONS, ROLE_NAMES } from '../../auth/principal.ts';
import { boundedArray, closedObject } from '../../http/bounded-schemas.ts';
import { cursor, gracePeriodSeconds, name, pageLimit, pageOut, tenantId, time } from '../fields.ts';
import { hintOf, lifecycleFields, statuses, toLifecycle } from '../keys/schemas.ts';

export const createManagementKeyBody = v.pipe(
  closedObject({
    name,
    role: v.exactOptional(v.picklist(ROLE_NAMES)),
    permissions: v.exactOptional(
      v.pipe(
        boundedArray(v.picklist(PERMISSIONS), 1, PERMISSIONS.length, 'permissions'),
        v.transform((list) => [...new Set(list)]),
      ),
    ),
    tenantId: v.optional(v.nullable(tenantId), null),
    expiresAt: v.exactOptional(v.nullable(time)),
  }),
  v.check(
    ({ role, permissions }) => (role === undefined) !== (permissions === undefined),
    'give either role or permissions',
  ),
);

export const rotateManagementKeyBody = v.optional(
  closedObject({
    gracePeriodSeconds: v.exactOptional(gracePeriodSeconds),
    name: v.exactOptional(name),
    expiresAt: v.exactOptional(v.nullable(time)),
  }),
  {},
);

export const listManagementKeysQuery = closedObject({
  limit: pageLimit,
  cursor,
  status: v.exactOptional(statuses),
});

const managementKeyFields = {
  id: v.string(),
  name: v.string(),
  role: v.nullable(v.picklist(ROLE_NAMES)),
  permissions: v.array(v.picklist(PERMISSIONS)),
  tenantId: v.nullable(v.string()),
  hint: v.string(),
  status: v.picklist(KEY_STATUSES),
  ...lifecycleFields,
};
export const managementKeyResource = v.strictObject(managementKeyFields);
export type ManagementKeyResource = v.InferOutput<typeof managementKeyResource>;

export const managementKeyWithSecret = v.strictObject({ ...managementKeyFields, secret: v.string() });
export const managementRotationResult = v.strictObject({
  key: managementKeyWithSecret,
  rotated: managementKeyResource,
});
export const managementKeyList = v.strictObject({ data: v.array(managementKeyResource), page: pageOut });

export function toManagementKeyResource(key: KeyView): ManagementKeyResource {
  const { role, permissions, confinement } = grantOf(key);
  return {
    id: key.id,
    name: key.name,
    role,
    permissions: [...permissions],
    tenantId: confinement?.tenantId ?? null,
    hint: hintOf(key),
    status: key.status,
    ...toLifecycle(key),
  };
}
