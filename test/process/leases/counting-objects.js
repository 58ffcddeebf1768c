/**
 * Tenants' objects that count the calls of verifications, and delay them if wanted, for an isolate that does not know.
 * `GET /calls` says how many there were since the start, by object and method. `POST /delay` sets how long they take.
 */
import { Tenant } from './index.js';

export { Directory } from './index.js';

const calls = {};
let delayMs = 0;

async function begin(objectId, method) {
  calls[objectId] ??= { verifyKey: 0, renewLease: 0 };
  calls[objectId][method] += 1;
  if (delayMs > 0) await scheduler.wait(delayMs);
}

export class CountingTenant extends Tenant {
  async verifyKey(...args) {
    await begin(this.ctx.id, 'verifyKey');
    return super.verifyKey(...args);
  }

  async renewLease(...args) {
    await begin(this.ctx.id, 'renewLease');
    return super.renewLease(...args);
  }
}

export default {
  async fetch(request) {
    if (new URL(request.url).pathname === '/delay') delayMs = Number(await request.text());
    return Response.json(calls);
  },
};
