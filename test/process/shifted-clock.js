/** The Worker and its objects with a clock that goes ahead or behind, so that a test need not wait for a minute to end. */
import { env } from 'cloudflare:workers';
import worker from './index.js';

export { Directory, Tenant } from './index.js';

const now = Date.now;
Date.now = () => now() + Number(env.CLOCK_AHEAD_MS);

export default worker;
