/** Bindings and variables of the Worker, as `wrangler.toml` and the self-hosted configuration declare them. */
import type { ObjectBindings } from '../durable-objects/bindings.ts';
import type { ConfigVariables } from './config/config.ts';
import type { ReserveBinding } from './storage-reserve.ts';

export type Env = ObjectBindings & ConfigVariables & ReserveBinding;
