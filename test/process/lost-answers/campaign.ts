/**
 * Responses that are lost on the way. Several copies of each mutation, with the same `Idempotency-Key`, go through a
 * proxy that cuts connections after it has passed the request on. Each copy is repeated until it gets a response. In
 * the end the mutation must have been applied once, with its audit entries, and every copy must have got the same
 * response.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, inParallel, type Progress, range } from '../campaign.ts';
import { type ApiResponse, type AuditEntry, Client } from '../client.ts';
import { startServer, temporaryFolder } from '../server.ts';
import { MUTATIONS, type MutationRequest } from './mutations.ts';
import { LossyProxy } from './proxy.ts';

const TENANT = 'lossy';
/** Copies of a mutation that are under way at the same time. */
const COPIES = 3;
/** A copy starts, and is repeated, after a random time up to this, so that copies overtake each other (ms). */
const DELAY_MS = 15;
const MUTATIONS_AT_ONCE = 6;
/** More lost responses to one copy than this are not chance. */
const REPEATS_MAX = 100;

export async function lostAnswers(n: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  await using proxy = await LossyProxy.start(server.url);
  const direct = new Client(server);
  const lossy = new Client({ url: proxy.url, adminToken: server.adminToken });
  await direct.createTenant(TENANT);
  // The first management key also makes the tenant of all management keys, which adds an entry.
  await direct.send('POST', '/management-keys', { name: 'first', role: 'verifier' });
  const names = Object.keys(MUTATIONS);
  const sent: Sent[] = [];
  let requests = 0;
  await inParallel(MUTATIONS_AT_ONCE, range(n), async (i) => {
    const name = names[i % names.length] ?? '';
    const request = await MUTATIONS[name]?.(direct, TENANT);
    if (request === undefined) return;
    const mutation = { name, request, id: crypto.randomUUID() };
    const copies = await Promise.all(range(COPIES).map(() => untilResponse(lossy, mutation)));
    requests += copies.reduce((sum, copy) => sum + copy.requests, 0);
    sent.push(mutation);
    // Once more over a connection that loses nothing, which must get the same response.
    const last = await send(direct, mutation, 'last');
    checkResponses(mutation, [...copies.map(({ response }) => response), last]);
    if (sent.length % 500 === 0) progress(`${sent.length} mutations, ${requests} requests`);
  });
  await checkLogs(direct, sent);
  return { mutations: sent.length, routes: names.length, requests, lost: Object.fromEntries(proxy.lost) };
}

type Sent = { readonly name: string; readonly request: MutationRequest; readonly id: string };

/** The mutation's id is its `Idempotency-Key`, and the prefix of all its request ids, by which the log names them. */
function send(client: Client, { request, id }: Sent, suffix: string): Promise<ApiResponse<unknown>> {
  const { method, path, body } = request;
  return client.send(method, path, body, `${id}.${suffix}`, { 'Idempotency-Key': id });
}

async function untilResponse(client: Client, mutation: Sent) {
  for (let requests = 1; requests <= REPEATS_MAX; requests++) {
    await sleep(Math.random() * DELAY_MS);
    try {
      const response = await send(client, mutation, crypto.randomUUID().slice(0, 8));
      if (response.status < 500) return { response, requests };
    } catch {
      // The response was lost.
    }
  }
  throw new Error(`${mutation.name}: no response`);
}

function checkResponses({ name, request }: Sent, responses: readonly ApiResponse<unknown>[]): void {
  const told = responses.map(({ status, body }) => `${status} ${JSON.stringify(body)}`);
  demand(
    responses.every(({ status }) => status === request.status),
    `${name}: not all responses are ${request.status}: ${told.join(' | ')}`,
  );
  demand(new Set(told).size === 1, `${name}: responses differ: ${told.join(' | ')}`);
}

/** Each mutation must have exactly its entries, in order, and its requests no others. */
async function checkLogs(client: Client, sent: readonly Sent[]): Promise<void> {
  for (const [log, ofLog] of Map.groupBy(sent, ({ request }) => request.log)) {
    const entries = await client.all<AuditEntry>(`${log === null ? '' : `/tenants/${log}`}/audit?limit=100`);
    const byMutation = Map.groupBy(entries, ({ requestId }) => requestId.split('.')[0] ?? '');
    for (const { name, request, id } of ofLog) {
      // Lists begin with the newest.
      const actions = (byMutation.get(id) ?? []).map(({ action }) => action).reverse();
      demand(
        actions.join() === request.actions.join(),
        `${name}: its entries are ${actions}, expected ${request.actions}`,
      );
    }
  }
}
