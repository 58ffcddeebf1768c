/** Every route there is. Verification first: it is asked most. */
import { auditRoutes } from './audit.ts';
import { encryptionRoutes } from './encryption.ts';
import { keyRoutes } from './keys.ts';
import { managementKeyRoutes } from './management-keys.ts';
import { rotationRoutes } from './rotations.ts';
import type { Route } from './route.ts';
import { tenantRoutes } from './tenants.ts';
import { verifyRoute } from './verify.ts';

export const routes: readonly Route[] = [
  verifyRoute,
  ...keyRoutes,
  ...rotationRoutes,
  ...tenantRoutes,
  ...managementKeyRoutes,
  ...encryptionRoutes,
  ...auditRoutes,
];
