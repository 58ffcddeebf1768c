/** Every route there is. Verification first: it is asked most. */
import { auditRoutes } from './audit/operations.ts';
import { encryptionRoutes } from './encryption/operations.ts';
import { keyRoutes } from './keys/operations.ts';
import { managementKeyRoutes } from './management-keys/operations.ts';
import { rotationRoutes } from './rotations/operations.ts';
import type { Route } from './operation.ts';
import { tenantRoutes } from './tenants/operations.ts';
import { verifyRoute } from './verification/operations.ts';

export const routes: readonly Route[] = [
  verifyRoute,
  ...keyRoutes,
  ...rotationRoutes,
  ...tenantRoutes,
  ...managementKeyRoutes,
  ...encryptionRoutes,
  ...auditRoutes,
];
