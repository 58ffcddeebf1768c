/** Every route there is. Verification first: it is asked most. */
import { auditRoutes } from './audit.ts';
import { keyRoutes } from './keys.ts';
import type { Route } from './route.ts';
import { tenantRoutes } from './tenants.ts';
import { verifyRoutes } from './verify.ts';

export const routes: readonly Route[] = [...verifyRoutes, ...keyRoutes, ...tenantRoutes, ...auditRoutes];
