/** Bindings and variables of the Worker, as `wrangler.toml` and the self-hosted configuration declare them. */
import type { ObjectBindings, Remote } from '../durable-objects/bindings.ts';
import type { Directory } from '../durable-objects/directory/directory.ts';
import type { Tenant } from '../durable-objects/tenant/tenant.ts';
import type { ConfigVariables } from './config/config.ts';
import type { AnalyticsBinding } from './http/analytics.ts';
import type { ReserveBinding } from './storage-reserve.ts';

/**
 * The objects with all their methods, as the Worker calls them. The constraint checks that each class has the methods
 * that the other object calls (`TenantPeer`, `DirectoryPeer`).
 */
type WholeObjects<B extends ObjectBindings = ObjectBindings<Remote<Tenant>, Remote<Directory>>> = B;

export type Env = WholeObjects & ConfigVariables & ReserveBinding & AnalyticsBinding;
