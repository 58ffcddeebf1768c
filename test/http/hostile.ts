/**
 * Hostile requests for every route, and what must hold for every one of them:
 *
 *   - no response is a 5xx, but for what a gateway is told of its own mistakes;
 *   - no response contains a secret, unless handing it out is its purpose;
 *   - a refused request (status >= 400) leaves every stored row as it was;
 *   - where it is measured: no other caller waits longer than `OTHERS_WAIT_MS_MAX` because of a request.
 *
 * Nothing here depends on where Keystead runs: the suite sends the requests to the Worker, a campaign sends more of
 * them to a server, from other seeds. Requests are templates. `{{tenant}}`, `{{key}}` and so on stand for victims,
 * which are replaced when a request has changed them.
 */
import * as fc from 'fast-check';
import { HEAVY_BODIES, heavyBody } from './heavy-bodies.ts';

/** What a request may attack. */
export type Victims = {
  readonly tenant: string;
  /** Ids of keys of the tenant: an active one, one in grace and one that is revoked. */
  readonly key: string;
  readonly rotating: string;
  readonly revoked: string;
  /** The active key's key string. */
  readonly secret: string;
  /** A management key that may only read and verify, in this tenant only: its id and its key string. */
  readonly managementKey: string;
  readonly managementSecret: string;
};

export type Target = {
  /** The server, like `http://host`. */
  readonly origin: string;
  readonly adminToken: string;
  /** Values that no response may contain, in addition to the administrator's token and the victims' key strings. */
  readonly secrets: readonly string[];
  readonly send: (request: Request) => Promise<Response>;
  /** Creates new victims. */
  readonly prepare: () => Promise<Victims>;
  /** Returns everything that is stored about the victims, for comparison. */
  readonly snapshot: (victims: Victims) => Promise<string>;
  /** How long (ms) others waited because of the last request, where that can be measured. */
  readonly othersWaited?: () => Promise<number>;
};

/** The longest that others may wait because of a request (ms). */
const OTHERS_WAIT_MS_MAX = 50;
/**
 * A wait counts only when it recurs in as many repetitions, because garbage collection, the JIT compiler or another
 * process may have caused it once.
 */
const REPETITIONS = 5;

export type HostileRequest = {
  readonly method: string;
  /** Path and query, with placeholders. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /**
   * A text with placeholders, null for no body, or the name of a body that is made when it is sent, because a failure
   * should not print four megabytes.
   */
  readonly body: string | null | { readonly heavy: string; readonly bytes: number };
  readonly encoding: Encoding;
};

/** How the text of a body is turned into bytes. */
type Encoding = 'utf8' | 'bom' | 'utf16' | 'latin1' | 'cut' | 'invalid';

const SECRETS = ['{{secret}}', '{{admin}}', '{{managementSecret}}'];
const NAMES_OF_OTHERS = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'then', ''];

const NASTY_TEXTS = [
  ...SECRETS,
  ...NAMES_OF_OTHERS,
  '{{tenant}}',
  '{{key}}',
  ' ',
  '\0',
  'a\0b',
  '\ud800',
  'a\udfffb',
  '\u{10ffff}',
  '\ufeff',
  '\u202eevil',
  'e\u0301',
  '\r\nSet-Cookie: a=b',
  "' OR 1=1 --",
  '"; DROP TABLE keys; --',
  '%',
  '*',
  '../../etc/passwd',
  '%2e%2e%2f',
  '<script>alert(1)</script>',
  'NaN',
  'null',
  '-1',
  '1e308',
  'x'.repeat(101),
  'ü'.repeat(5000),
  '[]'.repeat(20_000),
];

const TIMES = [
  '2030-01-31T12:00:00.000Z',
  '2030-01-31T12:00:00+23:59',
  '0000-01-01T00:00:00Z',
  '2030-02-30T00:00:00Z',
  '2030-01-01T24:00:00Z',
  '2016-12-31T23:59:60Z',
  '+012030-01-01T00:00:00Z',
];

const text = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NASTY_TEXTS) },
  { weight: 1, arbitrary: fc.constantFrom(...TIMES) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 130 }) },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.constantFrom('\ud83d', '\udd11', 'a', '\0', '_', ':'), maxLength: 20 }),
  },
);

const number = fc.constantFrom(0, -0, 1, -1, 0.5, 60, 31_536_001, 2 ** 31, 2 ** 53, 1e21, 1e308, -1e308);

const value: fc.Arbitrary<unknown> = fc.oneof(
  { maxDepth: 3 },
  text,
  number,
  fc.constantFrom(true, false, null),
  fc.array(text, { maxLength: 4 }),
  fc.array(fc.jsonValue(), { maxLength: 3 }),
  fc.dictionary(text, fc.jsonValue(), { maxKeys: 4 }),
  fc.constantFrom(deep(9), deep(1500), Array(101).fill('a'), Array(5000).fill(null), wide(5000)),
);

const HASH = { algorithm: 'sha256', value: 'ab'.repeat(32), encoding: 'hex' };

/**
 * Every route, with bodies that pass validation and name victims. A route without any is sent an empty object. The list
 * is written down here and not taken from the program, so that it works where the program does not run. A test compares
 * the two.
 */
const HELD = { key: '{{secret}}', lease: { rules: 1, known: { epoch: 'e.0', seq: 1 } } };
const ROUTES: Readonly<Record<string, readonly object[]>> = {
  'POST /v1/keys/verify': [
    { key: '{{secret}}', scopes: [], tenantId: '{{tenant}}' },
    { key: '{{managementSecret}}' },
    HELD,
  ],
  'POST /v1/leases/renew': [
    {
      rules: 1,
      tenants: [
        {
          tenantId: '{{tenant}}',
          known: { epoch: 'e.0', seq: 1 },
          uses: [{ keyId: '{{key}}', agoMs: 5 }],
          usage: {
            holder: 'h',
            number: 1,
            incarnation: 'i',
            cells: [{ keyId: '{{key}}', owner: null, plan: 'p', tally: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1] }],
          },
        },
      ],
    },
  ],
  'GET /v1/authorize': [],
  'GET /v1/authorize/:path+': [],
  'GET /v1/tenants': [],
  'POST /v1/tenants': [
    { name: 'A tenant', settings: { gracePeriodSeconds: 60, keyPrefix: 'ks', storage: 'digest' } },
    { id: '{{tenant}}' },
  ],
  'GET /v1/tenants/:tenantId': [],
  'PATCH /v1/tenants/:tenantId': [
    { name: 'Renamed', settings: { retentionSeconds: 60 } },
    { status: 'disabled' },
    { limits: { rateLimits: [{ name: 'signups', limit: 5, windowSeconds: 60 }], quotas: null } },
  ],
  'DELETE /v1/tenants/:tenantId': [],
  'GET /v1/tenants/:tenantId/keys': [],
  'GET /v1/tenants/:tenantId/keys/counts': [],
  'POST /v1/tenants/:tenantId/keys': [
    { name: 'A key', owner: 'o', scopes: ['a:b'], metadata: { a: 1 }, enabled: true },
    { name: 'Metered', credits: { remaining: 1, refill: { amount: 1, interval: 'month', day: 31 } } },
  ],
  'POST /v1/tenants/:tenantId/keys/bulk': [
    { keys: [{ name: 'One' }, { name: 'Two', prefix: 'other', owner: 'o', metadata: { a: 1 } }] },
    { keys: [{ name: 'Fine' }, { name: 'Late', expiresAt: '2000-01-01T00:00:00Z' }] },
    { keys: Array(501).fill({ name: 'Many' }) },
  ],
  'POST /v1/tenants/:tenantId/keys/import': [
    { keys: [{ name: 'Foreign', hash: HASH, prefix: 'sk_live_', hint: 'sk_live_...1234', owner: 'o' }] },
    {
      keys: [
        { name: 'Fine', hash: { ...HASH, value: 'cd'.repeat(32) } },
        { name: 'Again', hash: HASH },
      ],
    },
    { keys: [{ name: 'Slow', hash: { ...HASH, algorithm: 'bcrypt' } }] },
    { keys: Array(501).fill({ name: 'Many', hash: HASH }) },
  ],
  'POST /v1/tenants/:tenantId/keys/revoke': [
    { ids: ['{{key}}', '{{revoked}}'] },
    { ids: ['{{key}}', 'key_00000000000000000'] },
    { owner: 'o' },
    { owner: 'nobody' },
  ],
  'GET /v1/tenants/:tenantId/keys/:keyId': [],
  'PATCH /v1/tenants/:tenantId/keys/:keyId': [{ name: 'Renamed', owner: null, metadata: { a: [1] }, enabled: false }],
  'DELETE /v1/tenants/:tenantId/keys/:keyId': [],
  'POST /v1/tenants/:tenantId/keys/:keyId/rotate': [{ gracePeriodSeconds: 60, name: 'Next', scopes: ['a:*'] }],
  'POST /v1/tenants/:tenantId/keys/:keyId/revoke': [{ reason: 'lost', lineage: true }],
  'POST /v1/tenants/:tenantId/keys/:keyId/reveal': [],
  'POST /v1/tenants/:tenantId/keys/:keyId/rotation/complete': [],
  'POST /v1/tenants/:tenantId/keys/:keyId/rotation/cancel': [],
  'POST /v1/tenants/:tenantId/keys/:keyId/credits': [{ operation: 'increment', amount: 5 }],
  'POST /v1/tenants/:tenantId/owners/:ownerId/credits': [{ operation: 'set', amount: 1e12 }],
  'POST /v1/tenants/:tenantId/limits/check': [{ identifier: '192.0.2.1', name: 'signups', cost: 1 }],
  'GET /v1/tenants/:tenantId/rotations': [],
  'GET /v1/tenants/:tenantId/owners': [],
  'POST /v1/tenants/:tenantId/owners': [
    { id: 'new', name: 'An owner', metadata: { a: 1 }, enabled: false },
    { id: 'o' },
  ],
  'GET /v1/tenants/:tenantId/owners/:ownerId': [],
  'PATCH /v1/tenants/:tenantId/owners/:ownerId': [{ name: 'Renamed', metadata: { a: [1] } }, { enabled: false }],
  'DELETE /v1/tenants/:tenantId/owners/:ownerId': [],
  'GET /v1/tenants/:tenantId/plans': [],
  'POST /v1/tenants/:tenantId/plans': [
    {
      id: 'new',
      name: 'A plan',
      rateLimits: [{ name: 'calls', limit: 1, windowSeconds: 60, per: 'owner', automatic: false }],
      quotas: [{ name: 'daily', limit: 1, period: 'day' }],
      allowedScopes: ['a:*'],
    },
    { id: 'p' },
  ],
  'GET /v1/tenants/:tenantId/plans/:planId': [],
  'PATCH /v1/tenants/:tenantId/plans/:planId': [{ name: 'Renamed', rateLimits: null, allowedScopes: null }],
  'DELETE /v1/tenants/:tenantId/plans/:planId': [],
  'POST /v1/management-keys': [
    { name: 'A management key', role: 'verifier', tenantId: '{{tenant}}' },
    { name: 'Another', permissions: ['keys:read'], expiresAt: '2100-01-01T00:00:00Z' },
    { name: 'Of nobody', role: 'owner', tenantId: 'no-such-tenant' },
    { name: 'Both', role: 'owner', permissions: [] },
  ],
  'GET /v1/management-keys': [],
  'GET /v1/management-keys/:keyId': [],
  'POST /v1/management-keys/:keyId/rotate': [{ gracePeriodSeconds: 60, name: 'Next' }],
  'POST /v1/management-keys/:keyId/revoke': [{ reason: 'lost', lineage: true }],
  'GET /v1/tenants/:tenantId/encryption': [],
  'POST /v1/tenants/:tenantId/encryption/reseal': [],
  'GET /metrics': [],
  'GET /v1/audit': [],
  'GET /v1/tenants/:tenantId/audit': [],
  'GET /v1/tenants/:tenantId/usage': [],
  'GET /v1/tenants/:tenantId/cleanup': [],
  'POST /v1/tenants/:tenantId/cleanup': [],
};

export type Route = { readonly method: string; readonly path: string };

/** The largest bodies (bytes) of the routes whose limit is not the usual one, as documented. */
const LIMITS: Readonly<Record<string, number>> = {
  'POST /v1/tenants/:tenantId/keys': 96 * 1024,
  'POST /v1/leases/renew': 96 * 1024,
  'PATCH /v1/tenants/:tenantId/keys/:keyId': 96 * 1024,
  'POST /v1/tenants/:tenantId/keys/:keyId/rotate': 96 * 1024,
  'POST /v1/tenants/:tenantId/keys/revoke': 96 * 1024,
  'POST /v1/tenants/:tenantId/keys/bulk': 4 * 1024 * 1024,
  'POST /v1/tenants/:tenantId/keys/import': 4 * 1024 * 1024,
  'POST /v1/tenants/:tenantId/owners': 96 * 1024,
  'PATCH /v1/tenants/:tenantId/owners/:ownerId': 96 * 1024,
  'POST /v1/tenants/:tenantId/plans': 96 * 1024,
  'PATCH /v1/tenants/:tenantId/plans/:planId': 96 * 1024,
};
/**
 * The largest random body. Only the heaviest requests, which are read to the end, are larger: a client that still
 * writes megabytes when it is refused and its connection closed may never see the response.
 */
const RANDOM_BODY_BYTES_MAX = 256 * 1024;
export const limitOf = ({ method, path }: Route) => LIMITS[`${method} ${path}`] ?? 16 * 1024;

export const HOSTILE_ROUTES: readonly Route[] = Object.keys(ROUTES).map((name) => {
  const [method = '', path = ''] = name.split(' ');
  return { method, path };
});

const FIELDS = [
  ...new Set(
    Object.values(ROUTES)
      .flat()
      .flatMap((body) => Object.keys(body)),
  ),
  ...[
    'role',
    'permissions',
    'tenantId',
    'owner',
    'id',
    'status',
    'prefix',
    'expiresAt',
    'keys',
    'ids',
    'secret',
    'digest',
    'allowReveal',
    'version',
  ],
];
const QUERY_NAMES = ['limit', 'cursor', 'order', 'status', 'owner', 'prefix', 'name', 'expiresBefore', 'offset'].concat(
  ...['search', 'enabled', 'action', 'keyId', 'actor', 'since', 'until', 'state'],
  ...['from', 'to', 'interval', 'groupBy', 'code', 'format'],
);

const field = fc.oneof(fc.constantFrom(...FIELDS), text);

function bodyFor(route: Route): fc.Arbitrary<HostileRequest['body']> {
  const bodies = ROUTES[`${route.method} ${route.path}`] ?? [];
  const taken = fc.constantFrom<object[]>(...(bodies.length === 0 ? [{}] : bodies));
  const altered = fc
    .tuple(taken, fc.array(fc.tuple(field, value), { maxLength: 3 }))
    // Built from entries, because assigning `__proto__` would not make a field of that name.
    .map(([body, fields]) => JSON.stringify(Object.fromEntries([...Object.entries(body), ...fields])));
  const twice = fc
    .tuple(field, value, value)
    .map(([name, a, b]) => `{${[a, b].map((v) => `${JSON.stringify(name)}:${JSON.stringify(v)}`).join()}}`);
  const bytes = Math.min(limitOf(route), RANDOM_BODY_BYTES_MAX);
  const heavy = fc.constantFrom(...HEAVY_BODIES).map((name) => ({ heavy: name, bytes }));
  return fc.oneof<fc.WeightedArbitrary<HostileRequest['body']>[]>(
    { weight: 6, arbitrary: altered },
    { weight: 2, arbitrary: taken.map((body) => JSON.stringify(body)) },
    { weight: 1, arbitrary: twice },
    { weight: 2, arbitrary: value.map((any) => JSON.stringify(any)) },
    { weight: 1, arbitrary: text },
    { weight: 1, arbitrary: fc.constantFrom('['.repeat(100_000), '{"a":'.repeat(20_000)) },
    { weight: 1, arbitrary: fc.constant(' '.repeat(270_000)) },
    { weight: 1, arbitrary: heavy },
    { weight: 1, arbitrary: fc.constant(null) },
  );
}

const segment = fc.oneof(
  text.map((any) => encodeURIComponent(any.toWellFormed())),
  fc.constantFrom(
    ...['..', '.', '%2F', '%2e%2e', '%00', '%ff', '%', '%zz', '%252F', '*', ':id', 'ü', '\u{1f511}', '{{tenant}}%20'],
    ...['{{tenant}}/', '{{secret}}', 'x'.repeat(5000), 'key_00000000000000000', '{{revoked}}', '{{rotating}}'],
  ),
);

/**
 * Mostly the route's own path with victims in it, so that requests get far. Sometimes a parameter is replaced by
 * something else.
 */
function pathFor(route: Route): fc.Arbitrary<string> {
  const victims: Readonly<Record<string, string[]>> = {
    ':tenantId': ['{{tenant}}'],
    ':planId': ['p', 'used', 'nobody', '%25', 'x'.repeat(51)],
    ':ownerId': ['o', 'ended', 'nobody', '%25', '%2F', encodeURIComponent('客'.repeat(128))],
    ':keyId': route.path.includes('/management-keys/')
      ? ['{{managementKey}}', '{{managementKey}}', '{{managementKey}}', '{{key}}']
      : ['{{key}}', '{{key}}', '{{rotating}}', '{{revoked}}', '{{managementKey}}'],
  };
  const parts = route.path.split('/').map((part) => {
    const known = victims[part];
    if (known !== undefined) {
      return fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...known) }, { weight: 1, arbitrary: segment });
    }
    if (part === ':path+') return fc.array(segment, { maxLength: 4 }).map((segments) => segments.join('/'));
    return part.startsWith(':') ? segment : fc.constant(part);
  });
  return fc.tuple(...parts).map((chosen) => chosen.join('/'));
}

const pair = fc.tuple(
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...QUERY_NAMES) }, { weight: 1, arbitrary: text }),
  text,
);
const query = fc.oneof(
  { weight: 2, arbitrary: fc.constant('') },
  fc
    .array(pair, { minLength: 1, maxLength: 4 })
    .map(
      (pairs) => `?${pairs.map((both) => both.map((s) => encodeURIComponent(s.toWellFormed())).join('=')).join('&')}`,
    ),
  fc.constantFrom(
    '?limit=1',
    '?scopes=',
    ...['?scopes=a:b,c&cost=0&tenantId={{tenant}}&limits=calls:2&fresh=true', '?scopes=*&limits=,,&cost=1e9'],
    '?limit=1&limit=2',
    '?%',
    '?=&=&',
    '?limit=%ff',
    `?${'a&'.repeat(500)}`,
    '?a[b]=1',
    '?limit=100&order=asc',
    ...['?offset=0&limit=2', '?offset=1&order=asc&status=active', '?offset=9999&limit=1', '?offset=9999&limit=2'],
    ...['?offset=0&cursor=x', '?offset=-1', '?offset=00', '?offset=1e3', '?offset=99999', '?offset=0&offset=0'],
    ...['?state=grace', '?state=completed&limit=1', '?state=cancelled', '?state=over', '?status=rotating'],
    ...[
      '?groupBy=key&interval=month',
      '?groupBy=owner&limit=1000',
      '?groupBy=plan&interval=hour&owner=o',
      '?format=csv',
    ],
    ...['?groupBy=code&keyId={{key}}&format=csv', '?limit=1001', '?code=NOT_FOUND', '?code=VALID', '?interval=week'],
    ...[
      '?from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59Z&interval=month',
      '?from=2030-01-01T00:00:00Z&interval=hour',
    ],
    ...['?from=2030-01-01T00:00:00Z&to=2029-01-01T00:00:00Z', '?to=1960-01-01T00:00:00Z', '?to=0000-01-01T00:00:00Z'],
  ),
);

/** Header values that HTTP can carry. */
const headerText = fc.oneof(
  fc.constantFrom(...SECRETS, 'x'.repeat(4000), '*', '"', ',,,', 'application/json', '<a>', '0', '-1', 'W/"1"'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 80 }),
);
const authorization = fc.oneof(
  { weight: 8, arbitrary: fc.constant('Bearer {{admin}}') },
  { weight: 1, arbitrary: fc.constant('Bearer {{managementSecret}}') },
  { weight: 1, arbitrary: fc.constantFrom('', 'Bearer', 'Bearer {{secret}}', 'Basic {{admin}}', 'Bearer {{admin}}x') },
  { weight: 1, arbitrary: headerText },
);
const contentType = fc.oneof(
  { weight: 8, arbitrary: fc.constant('application/json') },
  { weight: 1, arbitrary: headerText },
);
/** Only a few different keys, so that some recur, with the same request or with another. */
const idempotencyKey = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('again-1', 'again-2', '"', '{{secret}}', '{{tenant}}', 'x'.repeat(255)) },
  { weight: 1, arbitrary: fc.constantFrom('', ' ', 'two words', 'x'.repeat(256), '\u00fc', 'tab\tkey') },
  { weight: 1, arbitrary: headerText },
);
const ifMatch = fc.oneof(
  fc.constantFrom('"1"', '"2"', '"3"', '*', '"7", "1"', 'W/"1"', '"0"', '"-1"', '"1e0"', '1', '"', ',', '""'),
  fc.constantFrom(`"${'9'.repeat(15)}"`, `"${'9'.repeat(400)}"`, '"1",'.repeat(900), '"{{secret}}"', '* , "1"'),
  headerText,
);
const others = fc.dictionary(
  fc.constantFrom('CF-Connecting-IP', 'X-Forwarded-For', 'Accept', 'Range', 'X-Http-Method-Override'),
  headerText,
  { maxKeys: 2 },
);
const conditions = fc.record({ 'Idempotency-Key': idempotencyKey, 'If-Match': ifMatch }, { requiredKeys: [] });
/** Half of them without conditions, so that more requests get past those. */
const conditional = fc.oneof({ weight: 1, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: conditions });
const requestId = fc.oneof(fc.constant(''), fc.constantFrom('{{secret}}', 'x'.repeat(5000), 'own-id', '{}'));

/** Generates hostile requests for one route. */
export function hostileRequests(route: Route): fc.Arbitrary<HostileRequest> {
  const method = fc.oneof(
    { weight: 19, arbitrary: fc.constant<string>(route.method) },
    { weight: 1, arbitrary: fc.constantFrom('PUT', 'HEAD', 'OPTIONS', 'GET', 'POST') },
  );
  const encoding = fc.oneof<fc.WeightedArbitrary<Encoding>[]>(
    { weight: 8, arbitrary: fc.constant<Encoding>('utf8') },
    { weight: 1, arbitrary: fc.constantFrom<Encoding>('bom', 'utf16', 'latin1', 'cut', 'invalid') },
  );
  const headers = fc
    .tuple(authorization, contentType, requestId, others, conditional)
    .map(([Authorization, type, id, more, conditionsToo]) => ({
      ...{ ...more, ...conditionsToo, ...(isOfGateways(route) ? asGateway(Authorization) : { Authorization }) },
      ...{ 'Content-Type': type, 'X-Request-Id': id },
    }));
  const noBody = route.method === 'GET';
  return fc
    .tuple(method, pathFor(route), query, headers, noBody ? fc.constant(null) : bodyFor(route), encoding)
    .map(([verb, path, search, head, body, how]) => ({
      method: verb,
      path: path + search,
      headers: head,
      body: verb === 'GET' || verb === 'HEAD' ? null : body,
      encoding: how,
    }));
}

const isOfGateways = ({ path }: Route) => path.startsWith('/v1/authorize');

/** What would be the caller's own header is that of a gateway's customer: its token becomes the gateway's. */
const asGateway = (authorization: string) => ({
  ...(authorization === 'Bearer {{admin}}' ? { Authorization: 'Bearer {{secret}}' } : { 'X-API-Key': authorization }),
  'X-Keystead-Token': '{{admin}}',
  'X-Keystead-Query': 'scopes=',
});

/** The number of responses of each status in a run. */
export type Tally = Map<number, number>;

/**
 * Sends hostile requests to one route, one after the other. Throws at the first that breaks a promise, with the shrunk
 * request and the seed that reproduces it.
 */
export async function runHostileOn(
  route: Route,
  target: Target,
  { requests, seed, tally }: { readonly requests: number; readonly seed?: number; readonly tally: Tally },
): Promise<void> {
  let scene: { readonly victims: Victims; readonly stored: string } | null = null;
  const setScene = async () => {
    const victims = await target.prepare();
    return { victims, stored: await target.snapshot(victims) };
  };
  const property = fc.asyncProperty(hostileRequests(route), async (request) => {
    const { victims, stored } = scene ?? (await setScene());
    // The next request gets new victims unless this one turns out to have changed nothing.
    scene = null;
    const { status, repeated } = await sendWatched(request, victims, target);
    tally.set(status, (tally.get(status) ?? 0) + 1);
    // The repetitions have replaced the victims.
    if (repeated) return;
    const now = await target.snapshot(victims);
    const changed = now !== stored;
    const mayChange = status < 400 && request.method !== 'GET' && request.method !== 'HEAD';
    if (changed && !mayChange) {
      throw new Error(`status ${status}, but rows changed: ${difference(stored, now)}`);
    }
    if (!changed) scene = { victims, stored };
  });
  await fc.assert(property, { numRuns: requests, ...(seed === undefined ? {} : { seed }) });
}

/**
 * Sends each of the heaviest requests for a route once. Returns the longest wait of others (ms) and the request that
 * caused it.
 */
export async function runHeavyOn(route: Route, target: Target, tally: Tally): Promise<{ ms: number; by: string }> {
  let longest = { ms: 0, by: '' };
  let victims = await target.prepare();
  for (const [by, request] of heavyRequests(route)) {
    const { status, waitedMs, repeated } = await sendWatched(request, victims, target);
    // An accepted request may have changed the victims.
    if (repeated || (status < 400 && route.method !== 'GET')) victims = await target.prepare();
    tally.set(status, (tally.get(status) ?? 0) + 1);
    if (waitedMs > longest.ms) longest = { ms: waitedMs, by: `${route.method} ${route.path}: ${by}, ${status}` };
  }
  return longest;
}

function heavyRequests(route: Route): Map<string, HostileRequest> {
  const path = route.path
    .replace(':tenantId', '{{tenant}}')
    .replace(':ownerId', 'o')
    .replace(':planId', 'p')
    .replace(':keyId', route.path.includes('management') ? '{{managementKey}}' : '{{key}}');
  const headers = { Authorization: 'Bearer {{admin}}', 'Content-Type': 'application/json' };
  const plain: HostileRequest = { method: route.method, path, headers, body: null, encoding: 'utf8' };
  const requests = new Map<string, HostileRequest>(
    HEAVY_HEADERS.map(([name, value]) => [`a heavy ${name}`, { ...plain, headers: { ...headers, [name]: value } }]),
  );
  requests.set('a heavy path', { ...plain, path: `${path}${'/'.repeat(30_000)}` });
  if (route.method === 'GET') {
    for (const query of HEAVY_QUERIES)
      requests.set(`the query ${query.slice(0, 8)}…`, { ...plain, path: path + query });
  } else {
    // A deletion reads no body, and waits for leases each time.
    const all = route.method === 'DELETE' ? HEAVY_BODIES.slice(-1) : HEAVY_BODIES;
    const bodies = all.filter((name) => !FIELDS_OF_FEW.some((few) => few.test(name) && !few.test(fieldsOf(route))));
    for (const heavy of bodies) requests.set(heavy, { ...plain, body: { heavy, bytes: limitOf(route) } });
  }
  return requests;
}

/** Fields that only few routes have. On all other routes they are unknown like any other field. */
const FIELDS_OF_FEW = [/\bkeys\b/, /\bids\b/, /\bpermissions\b/];
const fieldsOf = ({ method, path }: Route) =>
  (ROUTES[`${method} ${path}`] ?? []).flatMap((body) => Object.keys(body)).join(' ');

/** Header values near the platform's limit. */
const HEAVY_HEADERS = [
  ['If-Match', '"1",'.repeat(15_000)],
  ['Idempotency-Key', 'x'.repeat(60_000)],
  ['Authorization', `Bearer ${'x'.repeat(60_000)}`],
  ['Authorization', `Bearer${' '.repeat(60_000)}x`],
  ['X-Request-Id', 'x'.repeat(60_000)],
  ['Content-Type', `application/json${' '.repeat(60_000)};`],
] as const;
const HEAVY_QUERIES = [
  `?${'a=1&'.repeat(15_000)}`,
  `?${Array.from({ length: 1500 }, (_, i) => `a${i}`).join('&')}`,
  `?limit=${'1'.repeat(60_000)}`,
  `?cursor=${'A'.repeat(8000)}`,
  `?action=${'a_'.repeat(4000)}`,
  `?owner=${'%F0%9F%94%91'.repeat(600)}`,
];

/** A mistake of the gateway itself, the one 503 that requests can cause. */
const MISCONFIGURED = '"gateway_misconfigured"';

/** The body of a response, or of the one to GET where HEAD gets none. */
async function reasonOf(response: Response, request: HostileRequest, victims: Victims, target: Target) {
  if (request.method !== 'HEAD') return response.clone().text();
  return (await target.send(render({ ...request, method: 'GET' }, victims, target))).text();
}

/**
 * Sends one request and throws when the response is never allowed. Returns how long others waited, if they waited at
 * each repetition.
 */
async function sendWatched(
  request: HostileRequest,
  victims: Victims,
  target: Target,
): Promise<{ readonly status: number; readonly waitedMs: number; readonly repeated: boolean }> {
  const response = await target.send(render(request, victims, target));
  const { status } = response;
  const isMistake = status === 503 && (await reasonOf(response, request, victims, target)).includes(MISCONFIGURED);
  if (status >= 500 && !isMistake) throw new Error(`status ${status}`);
  await refuseEcho(response, [target.adminToken, victims.secret, victims.managementSecret, ...target.secrets]);
  let waitedMs = (await target.othersWaited?.()) ?? 0;
  const repeated = waitedMs > OTHERS_WAIT_MS_MAX;
  for (let again = 0; waitedMs > OTHERS_WAIT_MS_MAX && again < REPETITIONS; again++) {
    const response = await target.send(render(request, await target.prepare(), target));
    await response.arrayBuffer();
    waitedMs = Math.min(waitedMs, (await target.othersWaited?.()) ?? 0);
  }
  if (waitedMs > OTHERS_WAIT_MS_MAX) {
    throw new Error(
      `status ${status}, but others waited ${Math.round(waitedMs)} ms: ${JSON.stringify(request).slice(0, 500)}`,
    );
  }
  return { status, waitedMs, repeated };
}

function render(request: HostileRequest, victims: Victims, { adminToken, origin }: Target): Request {
  const values: Readonly<Record<string, string>> = { ...victims, admin: adminToken };
  const fill = (template: string) => template.replaceAll(/\{\{(\w+)\}\}/g, (whole, name) => values[name] ?? whole);
  const headers = Object.entries(request.headers).map(([name, template]): [string, string] => [name, fill(template)]);
  // Encoded braces come from texts that went through encodeURIComponent.
  const path = fill(request.path.replaceAll('%7B%7B', '{{').replaceAll('%7D%7D', '}}'));
  const body =
    typeof request.body === 'string'
      ? fill(request.body)
      : request.body === null
        ? null
        : heavyBody(request.body.heavy, request.body.bytes);
  return new Request(`${origin}${path}`, {
    method: request.method,
    headers,
    ...(body === null ? {} : { body: encode(body, request.encoding) }),
  });
}

function encode(body: string, encoding: Encoding): Uint8Array<ArrayBuffer> {
  const utf8 = Uint8Array.from(new TextEncoder().encode(body));
  const units = () => Array.from({ length: body.length }, (_, i) => body.charCodeAt(i));
  switch (encoding) {
    case 'utf8':
      return utf8;
    case 'bom':
      return Uint8Array.from([0xef, 0xbb, 0xbf, ...utf8]);
    case 'utf16':
      return Uint8Array.from(units().flatMap((unit) => [unit & 255, unit >> 8]));
    case 'latin1':
      return Uint8Array.from(units());
    case 'cut':
      return utf8.slice(0, Math.floor(utf8.length / 2));
    case 'invalid':
      return Uint8Array.from([...utf8.slice(0, -2), 0xc3, 0x28, ...utf8.slice(-2)]);
  }
}

/** Members that repeat an accepted request's own texts, and the one that hands out a new key string. */
const OWN_TEXTS: ReadonlySet<string> = new Set(
  // The id of an owner is the caller's own text too.
  ['id', 'name', 'owner', 'ownerMetadata', 'scopes', 'metadata', 'changes', 'secret'],
);

async function refuseEcho(response: Response, secrets: readonly string[]): Promise<void> {
  // The link to the next page must repeat the query of an accepted request.
  const headers = [...response.headers].filter(([name]) => response.status >= 400 || name !== 'link');
  const body = await response.text();
  // An answer to HEAD has the content type of a body that it does not have.
  const isJson = body !== '' && (response.headers.get('Content-Type')?.includes('json') ?? false);
  const shown = response.status >= 400 || !isJson ? body : JSON.stringify(JSON.parse(body, withoutOwnTexts));
  for (const secret of secrets) {
    if (shown.includes(secret) || headers.join().includes(secret)) {
      throw new Error(`status ${response.status} with a secret in it`);
    }
  }
}

function withoutOwnTexts(name: string, member: unknown): unknown {
  return OWN_TEXTS.has(name) ? undefined : member;
}

/** Shows where two texts first differ, with the text around that place. */
function difference(before: string, after: string): string {
  let at = 0;
  while (at < before.length && before[at] === after[at]) at += 1;
  const around = (text: string) => text.slice(Math.max(0, at - 300), at + 100);
  return `${around(before)} -> ${around(after)}`;
}

function deep(levels: number): unknown {
  let nested: unknown = 1;
  for (let i = 0; i < levels; i++) nested = i % 2 === 0 ? [nested] : { a: nested };
  return nested;
}

function wide(fields: number): object {
  return Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${i}`, i]));
}
