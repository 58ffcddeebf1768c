/**
 * Real gateways, with the configurations of examples/, in front of an API that shows what arrives. Each round makes new
 * keys and asks for everything that the examples promise: who gets through, what the API may believe, and that nobody
 * gets through when Keystead does not say so.
 */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import { demand, type Progress, range } from '../campaign.ts';
import { Client } from '../client.ts';
import { startServer, temporaryFolder } from '../server.ts';
import { freePort, GATEWAYS, Gateway, type GatewayKind, pathOf, versionOf } from './programs.ts';

export async function gateways(rounds: number, progress: Progress): Promise<object> {
  const report: Record<string, unknown> = {};
  for (const kind of GATEWAYS) {
    const program = pathOf(kind.name);
    if (program === null) {
      progress(`${kind.name}: SKIPPED, since it is not installed; get it with: ${kind.install}`);
      report[kind.name] = 'skipped';
      continue;
    }
    const version = versionOf(kind.name, program);
    report[kind.name] = { version, requests: await tryGateway(kind, program, rounds) };
    progress(`${kind.name}: ${version}, ${rounds} rounds passed`);
  }
  return report;
}

/** What an answer through the gateway is. `seen` is what the API got, null when the request did not get there. */
type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly seen: Seen | null;
};
type Seen = {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** The API behind the gateway: it keeps the last request. */
class Api implements AsyncDisposable {
  readonly #server: Server;
  last: Seen | null = null;

  constructor() {
    this.#server = createServer(async (incoming, response) => {
      let body = '';
      for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
      this.last = { method: incoming.method ?? '', url: incoming.url ?? '', headers: incoming.headers, body };
      // An answer of the API itself, which no gateway may take for one of Keystead.
      response.writeHead(incoming.url?.endsWith('/broken') ? 500 : 200).end('the API');
    });
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `127.0.0.1:${address.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const OWNER = 'Käufer, "17" 🔑';
const SPOOFED = {
  'X-Keystead-Key': 'key_spoofed',
  'X-Keystead-Tenant': 'spoofed',
  'X-Keystead-Owner': 'spoofed',
  'X-Keystead-Scopes': 'spoofed',
  'X-Keystead-Token': 'spoofed',
  'X-Keystead-Query': 'scopes=',
  'X-Keystead-Other': 'spoofed',
};

async function tryGateway(kind: GatewayKind, program: string, rounds: number): Promise<number> {
  using folder = temporaryFolder();
  await using api = new Api();
  const apiPlace = await api.listen();
  using data = temporaryFolder();
  const port = String(await freePort());
  let server = await startServer(data.path, { PORT: port });
  try {
    const client = new Client(server);
    await client.createTenant('acme', { leaseSeconds: 1 });
    await client.createTenant('other');
    const made = await client.send<{ secret: string }>('POST', '/management-keys', {
      name: 'gateway',
      role: 'verifier',
      tenantId: 'acme',
    });
    const places = { keystead: new URL(server.url).host, api: apiPlace };
    await using gateway = await Gateway.start(kind, program, folder.path, { ...places, token: made.body.secret });
    let requests = 0;
    const ask = async (path: string, headers: Record<string, string>, method = 'GET', body = ''): Promise<Answer> => {
      requests += 1;
      api.last = null;
      return { ...(await send(gateway.url + path, method, headers, body)), seen: api.last };
    };
    for (const round of range(rounds)) {
      try {
        await tryRound(client, ask);
      } catch (error) {
        throw new Error(`${kind.name}, round ${round}: ${error instanceof Error ? error.message : error}`);
      }
    }

    const lasting = await client.createKey('acme', { scopes: ['invoices:*'] });
    await expectThrough(ask, lasting.secret, 'before Keystead is down');
    await server.killGroup();
    for (const path of ['/invoices/1', '/exports/1', '/invoices/1?scopes=']) {
      await expectRefusal(ask(path, bearer(lasting.secret)), 503, 'Keystead down');
    }
    await server[Symbol.asyncDispose]();
    server = await startServer(data.path, { PORT: port });
    await expectThrough(ask, lasting.secret, 'after Keystead is back');

    using another = temporaryFolder();
    await using misled = await Gateway.start(kind, program, another.path, { ...places, token: 'wrong' });
    api.last = null;
    const answer = await send(`${misled.url}/invoices/1`, 'GET', bearer(lasting.secret), '');
    demand(answer.status === 503, `a wrong token of the gateway is ${answer.status}`);
    demand(answer.headers['www-authenticate'] === undefined, 'the customer is asked for another key');
    demand(api.last === null, 'a request got through with a wrong token of the gateway');
    return requests;
  } finally {
    await server[Symbol.asyncDispose]();
  }
}

type Ask = (path: string, headers: Record<string, string>, method?: string, body?: string) => Promise<Answer>;

const bearer = (key: string) => ({ Authorization: `Bearer ${key}` });

/** Everything that a customer may meet while Keystead is there. */
async function tryRound(client: Client, ask: Ask): Promise<void> {
  const key = await client.createKey('acme', { owner: OWNER, scopes: ['invoices:read', 'users:*'] });
  const ownerless = await client.createKey('acme', { scopes: ['invoices:read'] });
  const [scopeless, elsewhere] = [await client.createKey('acme'), await client.createKey('other', { scopes: ['*'] })];

  // Allowed, by any method, with what the customer sent and with what only Keystead may say.
  for (const headers of [bearer(key.secret), { 'X-API-Key': key.secret }, { ...bearer(key.secret), ...SPOOFED }]) {
    const { seen, headers: told } = await expectThrough(ask, key.secret, 'a good key', headers);
    for (const name of ['ratelimit', 'ratelimit-policy', 'deprecation', 'sunset']) {
      demand(told[name] === undefined, `${name} is ${told[name]} for a key without limits that does not end`);
    }
    demand(seen.headers['x-keystead-key'] === key.id, `the API believes in the key ${seen.headers['x-keystead-key']}`);
    demand(seen.headers['x-keystead-tenant'] === 'acme', 'the API believes in another tenant');
    const owner = seen.headers['x-keystead-owner'];
    demand(typeof owner === 'string' && decodeURIComponent(owner) === OWNER, `the API believes in the owner ${owner}`);
    demand(seen.headers['x-keystead-scopes'] === 'invoices:read,users:*', 'the API believes in other scopes');
    for (const name of ['authorization', 'x-api-key', 'x-keystead-token', 'x-keystead-query']) {
      demand(seen.headers[name] === undefined, `the API gets ${name}: ${seen.headers[name]}`);
    }
  }
  const plain = await expectThrough(ask, ownerless.secret, 'a key without owner', {
    ...bearer(ownerless.secret),
    ...SPOOFED,
  });
  const chosen = plain.seen.headers['x-keystead-owner'] ?? '';
  demand(chosen === '', `a key without owner has the owner ${chosen}`);
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const { status, seen } = await ask('/invoices/1?page=2', bearer(key.secret), method, '{"a":1}');
    demand(status === 200 && seen !== null, `${method} is ${status}`);
    const arrived = [seen.method, seen.url, seen.body].join(' ');
    demand(arrived === `${method} /invoices/1?page=2 {"a":1}`, `the API got ${arrived}`);
  }
  demand((await ask('/invoices/1', bearer(key.secret), 'HEAD')).status === 200, 'HEAD is refused');
  const broken = await ask('/invoices/broken', bearer(key.secret));
  demand(broken.status === 500 && broken.body === 'the API', 'an error of the API itself is replaced');

  // Refused: the key.
  const challenged = await expectRefusal(ask('/invoices/1', {}), 401, 'no key');
  demand(challenged.headers['www-authenticate'] === 'Bearer realm="api"', 'there is no challenge, or another');
  await expectRefusal(ask('/invoices/1', SPOOFED), 401, 'no key, but the names of one');
  await expectRefusal(ask('/invoices/1', bearer(elsewhere.secret)), 401, 'a key of another tenant');
  for (const text of ['x', 'x'.repeat(4000), '%0d%0a', '"', `${key.secret}x`, 'ks_<script>', '\u00ff\u00fe']) {
    await expectRefusal(ask('/invoices/1', bearer(text)), 401, `the key ${text.slice(0, 10)}`);
  }
  // Gateways and Keystead refuse it in different ways, or close the connection.
  const huge = await ask('/invoices/1', bearer('x'.repeat(1_000_000))).catch(() => null);
  demand(huge === null || (huge.status >= 400 && huge.seen === null), `a header of 1 MB is ${huge?.status}`);

  // Refused: the scope. What the customer writes into the query changes nothing.
  for (const query of ['', '?scopes=', '?scopes=&cost=0', '?cost=0&fresh=true']) {
    await expectRefusal(ask(`/invoices/1${query}`, bearer(scopeless.secret)), 403, `a missing scope with ${query}`);
  }
  demand((await ask('/other', bearer(key.secret))).status === 404, 'another path is there');

  // Limited: by the cost that the configuration says, and not by that of the customer.
  const limited = await client.createKey('acme', {
    scopes: ['invoices:read'],
    rateLimits: [{ name: 'calls', limit: 11, windowSeconds: 3600 }],
  });
  const first = await expectThrough(ask, limited.secret, 'a key with a limit');
  demand(/^"calls";r=10;t=\d+$/.test(String(first.headers.ratelimit)), `RateLimit is ${first.headers.ratelimit}`);
  demand(first.headers['ratelimit-policy'] === '"calls";q=11', 'RateLimit-Policy is missing');
  demand((await ask('/exports/1?cost=0&scopes=', bearer(limited.secret))).status === 200, 'an export is refused');
  for (const path of ['/invoices/1', '/exports/1?cost=0', '/invoices/1?scopes=&cost=0']) {
    const { headers } = await expectRefusal(ask(path, bearer(limited.secret)), 429, 'a limit');
    demand(Number(headers['retry-after']) > 3000, `Retry-After is ${headers['retry-after']}`);
    demand(/^"calls";r=0;t=\d+$/.test(String(headers.ratelimit)), `RateLimit is ${headers.ratelimit}`);
  }

  // Rotated, with grace: it goes on, and its holder is told.
  const { rotated } = await client.rotateKey('acme', ownerless.id, { gracePeriodSeconds: 3600 });
  const ending = await expectThrough(ask, ownerless.secret, 'a key in its grace period');
  const end = new Date(rotated.rotation.graceEndsAt ?? '').toUTCString();
  demand(ending.headers.sunset === end, `Sunset is ${ending.headers.sunset}`);
  demand(/^@\d+$/.test(String(ending.headers.deprecation)), `Deprecation is ${ending.headers.deprecation}`);

  // Revoked while it is leased, and asked for all the time: refused by every request that starts afterwards.
  const until = { stopped: false };
  const others = (async () => {
    while (!until.stopped) await ask('/invoices/1', bearer(key.secret));
  })();
  await client.revokeKey('acme', key.id);
  until.stopped = true;
  await others;
  for (const path of ['/invoices/1', '/exports/1']) {
    await expectRefusal(ask(path, bearer(key.secret)), 401, 'a key that was revoked while it was leased');
  }
}

/** Asks for an invoice, which must get to the API. */
async function expectThrough(ask: Ask, key: string, what: string, headers: Record<string, string> = bearer(key)) {
  const answer = await ask('/invoices/1', headers);
  const { status, body, seen } = answer;
  if (status !== 200 || seen === null) throw new Error(`${what} is refused: ${status} ${body}`);
  return { ...answer, seen };
}

/** Demands this status, a body that is a problem, and that nothing got to the API. */
async function expectRefusal(answer: Promise<Answer>, status: number, what: string): Promise<Answer> {
  const refused = await answer;
  demand(refused.seen === null, `${what} got through`);
  demand(refused.status === status, `${what} is ${refused.status} and not ${status}: ${refused.body}`);
  const isProblem = String(refused.headers['content-type']).startsWith('application/problem+json');
  demand(isProblem && JSON.parse(refused.body).status === status, `${what} has the body ${refused.body}`);
  return refused;
}

/** Sends one request on a connection of its own. */
async function send(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: string,
): Promise<Omit<Answer, 'seen'>> {
  const { promise, resolve, reject } = Promise.withResolvers<Omit<Answer, 'seen'>>();
  const length = body === '' ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
  const outgoing = request(url, { method, headers: { ...headers, ...length }, agent: false }, async (response) => {
    let text = '';
    try {
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
    } catch (error) {
      reject(error);
    }
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text });
  });
  outgoing.on('error', reject).end(body);
  return promise;
}
