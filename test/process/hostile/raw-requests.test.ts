/**
 * Requests that no client would send, byte by byte over a socket. The request target alone selects the route, and HEAD
 * is GET without its body.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Client } from '../client.ts';
import { type Launcher, startServer, temporaryFolder } from '../server.ts';

const resources = new AsyncDisposableStack();
let server: Launcher;
let authorization: string;

beforeAll(async () => {
  server = resources.use(await startServer(resources.use(temporaryFolder()).path));
  authorization = `Authorization: Bearer ${server.adminToken}`;
  await new Client(server).createTenant('acme');
});

afterAll(() => resources.disposeAsync());

type RawResponse = { readonly status: number; readonly headers: Headers; readonly body: string };

/** Sends the lines of a request's head, and reads until the server closes the connection. */
async function raw(...head: readonly string[]): Promise<RawResponse> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname).setEncoding('latin1');
  let text = '';
  socket.on('data', (chunk: string) => {
    text += chunk;
  });
  socket.end(`${[...head, 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
  await once(socket, 'close');
  const end = text.indexOf('\r\n\r\n');
  const [statusLine = '', ...fields] = text.slice(0, end).split('\r\n');
  const headers = fields.map((field): [string, string] => {
    const colon = field.indexOf(':');
    return [field.slice(0, colon), field.slice(colon + 1)];
  });
  return { status: Number(statusLine.split(' ')[1]), headers: new Headers(headers), body: text.slice(end + 4) };
}

const codeOf = ({ body }: RawResponse): unknown => JSON.parse(body).code;

describe('a Host header', () => {
  test.each([
    'x/v1/tenants?limit=1#',
    'x/v1/tenants?',
    'x/v1',
    'x:/v1/tenants?',
    'x\\v1',
    'x?',
    'x#',
    'x/',
    'user@x',
    'x y',
    'x/v1\t/tenants?',
    'x, y',
    'a%2fb',
    '[::1',
    '[x/v1/tenants?]',
    'b\u00c3\u00bccher.example',
    'x:80:80',
    'x'.repeat(300),
  ])('that is invalid selects no route: %s', async (host) => {
    for (const target of ['/healthz', '/tenants', '/v1/tenants', '/keys/verify']) {
      const response = await raw(`GET ${target} HTTP/1.1`, `Host: ${host}`, authorization);
      expect([response.status, codeOf(response)], target).toEqual([400, 'invalid_host']);
      expect(response.body).not.toContain('acme');
    }
  });

  test('that occurs twice is refused, whichever comes first', async () => {
    for (const hosts of [
      ['x', 'y/v1/tenants?'],
      ['y/v1/tenants?', 'x'],
      ['x', 'x'],
    ]) {
      const response = await raw('GET /healthz HTTP/1.1', ...hosts.map((host) => `Host: ${host}`), authorization);
      expect([response.status, codeOf(response)]).toEqual([400, 'invalid_host']);
    }
  });

  test.each(['x', 'EXAMPLE.com', 'example.com.', 'my_service:8787', '127.0.0.1', '[::1]:8787', 'x:', 'x:443'])(
    'that is valid does not change the route: %s',
    async (host) => {
      expect((await raw('GET /healthz HTTP/1.1', `Host: ${host}`)).body).toMatch(/^\{"status":"ok"/);
      const listed = await raw('GET /v1/tenants?limit=1 HTTP/1.1', `Host: ${host}`, authorization);
      expect(JSON.parse(listed.body)).toMatchObject({ data: [{ id: 'acme' }], page: { limit: 1 } });
    },
  );

  test("is not replaced by a proxy's headers", async () => {
    const forwarded = [
      'X-Forwarded-Host: x/v1/tenants?',
      'Forwarded: host=x/v1/tenants?',
      'X-Original-URL: /v1/tenants',
    ];
    const response = await raw('GET /healthz HTTP/1.1', 'Host: x', ...forwarded, authorization);
    expect(response.body).toMatch(/^\{"status":"ok"/);
  });
});

describe('a request target', () => {
  test.each([
    '/healthz/../v1/tenants',
    '/healthz/%2e%2e/v1/tenants',
    '/./v1/tenants',
    '/v1\\tenants',
    '//v1/tenants',
    '//x/v1/tenants',
    '/v1//tenants',
    '/v1%2ftenants',
    '/v1/tenants;x',
    '/%76%31/tenants',
    '/V1/tenants',
    'http://x//v1/tenants',
    'http://x/healthz/../v1/tenants',
  ])('is compared as it was sent, so that a proxy sees the path that is routed: %s', async (target) => {
    const response = await raw(`GET ${target} HTTP/1.1`, 'Host: x', authorization);
    expect([response.status, codeOf(response)]).toEqual([404, 'not_found']);
  });

  test('in absolute form is routed by its own path, whatever its host', async () => {
    for (const host of ['x', 'other']) {
      const listed = await raw(`GET http://${host}/v1/tenants?limit=1 HTTP/1.1`, 'Host: x', authorization);
      expect(JSON.parse(listed.body)).toMatchObject({ page: { limit: 1 } });
      const healthy = await raw(`GET http://${host}/healthz HTTP/1.1`, 'Host: x');
      expect(healthy.body).toMatch(/^\{"status":"ok"/);
    }
  });

  test.each(['GET v1/tenants', 'GET @x/v1/tenants', 'GET .x/v1/tenants', 'OPTIONS *', 'GET http://x?/v1/tenants'])(
    'that is not a path selects no route: %s',
    async (start) => {
      const response = await raw(`${start} HTTP/1.1`, 'Host: x', authorization);
      expect([400, 404]).toContain(response.status);
      expect(response.body).not.toContain('acme');
    },
  );

  test('without a Host is refused, also in HTTP/1.0', async () => {
    for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
      expect((await raw(`GET /v1/tenants ${version}`, authorization)).status).toBe(400);
    }
    expect((await raw('GET /healthz HTTP/1.0', 'Host: x')).status).toBe(200);
  });

  test('is repeated in the link to the next page', async () => {
    await new Client(server).createTenant('other');
    const { headers } = await raw('GET http://other/v1/tenants?limit=1 HTTP/1.1', 'Host: x', authorization);
    expect(headers.get('Link')).toMatch(/^<\/v1\/tenants\?limit=1&cursor=[\w-]+>; rel="next"$/);
  });
});

describe('HEAD', () => {
  test.each(['/healthz', '/readyz', '/v1/tenants', '/v1/tenants/acme', '/v1/tenants/acme/keys', '/v1/tenants/nobody'])(
    'has the response of GET without the body: %s',
    async (path) => {
      const [head, get] = [
        await raw(`HEAD ${path} HTTP/1.1`, 'Host: x', 'X-Request-Id: same', authorization),
        await raw(`GET ${path} HTTP/1.1`, 'Host: x', 'X-Request-Id: same', authorization),
      ];
      expect(head.body).toBe('');
      expect(head.status).toBe(get.status);
      expect(Object.fromEntries(head.headers)).toEqual(Object.fromEntries(get.headers));
      expect(head.headers.get('Content-Length')).toBe(String(get.body.length));
    },
  );

  test('of a mutation is refused and changes nothing', async () => {
    for (const path of ['/v1/tenants/acme/cleanup', '/v1/tenants/acme/keys/bulk', '/v1/keys/verify']) {
      const response = await raw(`HEAD ${path} HTTP/1.1`, 'Host: x', authorization);
      // A cleanup and a key also have a GET.
      expect(response.status).toBe(path.endsWith('cleanup') ? 200 : path.endsWith('bulk') ? 404 : 405);
    }
    expect((await new Client(server).cleanups('acme')).data).toEqual([]);
    const post = await raw('HEAD /v1/tenants/acme/keys/revoke HTTP/1.1', 'Host: x', authorization);
    expect(post.status).toBe(404);
  });

  test('is listed in Allow together with GET', async () => {
    const { status, headers } = await raw('PUT /v1/tenants/acme HTTP/1.1', 'Host: x', authorization);
    expect([status, headers.get('Allow')?.split(', ').sort()]).toEqual([405, ['DELETE', 'GET', 'HEAD', 'PATCH']]);
    const health = await raw('POST /healthz HTTP/1.1', 'Host: x');
    expect([health.status, health.headers.get('Allow')]).toEqual([405, 'GET, HEAD']);
  });
});

describe('the request log', () => {
  const lineOf = (requestId: string): unknown =>
    server.stdout
      .split('\n')
      .filter((line) => line.includes(`"requestId":"${requestId}"`))
      .map((line): unknown => JSON.parse(line))
      .at(0);

  test("records a verification's code and the id of the key it found, but no key string", async () => {
    const client = new Client(server);
    const { id, secret } = await client.createKey('acme');
    await client.send('POST', '/keys/verify', { key: secret }, 'log-1');
    await client.send('POST', '/keys/verify', { key: secret }, 'log-2');
    await client.send('POST', '/keys/verify', { key: secret, scopes: ['a'] }, 'log-3');
    await client.send('POST', '/keys/verify', { key: `${secret.slice(0, -1)}!` }, 'log-4');
    await client.send('GET', `/tenants/acme/keys/${id}`, undefined, 'log-5');
    expect(lineOf('log-1')).toMatchObject({ verification: 'VALID', keyId: id });
    expect(lineOf('log-2')).toMatchObject({ verification: 'VALID', keyId: id });
    expect(lineOf('log-3')).toMatchObject({ verification: 'INSUFFICIENT_SCOPES', keyId: id });
    expect(lineOf('log-4')).toMatchObject({ verification: 'MALFORMED' });
    expect(lineOf('log-4')).not.toHaveProperty('keyId');
    expect(lineOf('log-5')).not.toHaveProperty('verification');
    expect(server.stdout + server.stderr).not.toContain(secret.slice(20, 60));
  });

  test('and stderr show nothing of a content type that is not text', async () => {
    const type = 'Content-Type: kst_something-that-was-sent-to-the-wrong-place';
    const response = await raw('POST /v1/tenants HTTP/1.1', 'Host: x', authorization, type, 'Content-Length: 0');
    expect(response.status).toBe(201);
    const { status } = await fetch(`${server.url}/v1/tenants`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${server.adminToken}`, 'Content-Type': 'kst_something-else' },
      body: '{}',
    });
    expect(status).toBe(415);
    expect(server.stdout + server.stderr).not.toMatch(/kst_something/);
  });
});

test('the health check reports the version', async () => {
  const { version } = await import('../../../package.json', { with: { type: 'json' } }).then(({ default: own }) => own);
  expect(JSON.parse((await raw('GET /healthz HTTP/1.1', 'Host: x')).body)).toEqual({ status: 'ok', version });
});
