import { env } from 'cloudflare:workers';
import { beforeAll, describe, expect, it } from 'vitest';
import { AUDIT_ACTIONS } from '../../domain/audit-actions.ts';
import { api, createKey, createTenant, getKey, walk } from '../support/api.ts';
import { complaintsIn, problemIn, send, sendJson } from './client.ts';

let keyId: string;
let secret: string;

beforeAll(async () => {
  await createTenant('acme');
  ({ id: keyId, secret } = await createKey('acme'));
});

describe('invalid values', () => {
  const PREFIX = 'must be lower-case letters and digits in parts joined by single underscores, a letter first';
  const FOREIGN = 'belongs to another service, whose keys scanners would report';
  const LINE = 'must not contain control characters or broken Unicode';
  const SCOPE = 'must be segments of letters, digits, _, ., / and - joined by colons; the last segment may be *';
  const STATUSES =
    'must be one or more of active, rotating, rotated, disabled, expired, revoked, each once, with commas between';
  const TIME = 'must be an RFC 3339 time, like 2030-01-31T12:00:00.000Z';
  const METADATA = 'must nest at most 8 deep, without broken Unicode or reserved names';
  const nested = (depth: number): unknown => (depth === 0 ? 1 : { a: nested(depth - 1) });

  it.each<[string, string, unknown, string[]]>([
    ['POST', '/tenants', null, ['body: must be an object']],
    ['POST', '/tenants', 'acme', ['body: must be an object']],
    ['POST', '/tenants', { nope: 1 }, ['nope: unknown field']],
    [
      'POST',
      '/tenants',
      { id: 1, name: [], settings: 's' },
      ['id: must be a string', 'name: must be a string', 'settings: must be an object'],
    ],
    [
      'POST',
      '/tenants',
      { id: 'Acme' },
      ['id: must be 1 to 63 lower-case letters, digits, _ or -, a letter or digit first'],
    ],
    [
      'POST',
      '/tenants',
      { id: '_system' },
      ['id: must be 1 to 63 lower-case letters, digits, _ or -, a letter or digit first'],
    ],
    ['POST', '/tenants', { name: '' }, ['name: must not be empty']],
    ['POST', '/tenants', { name: 'x'.repeat(101) }, ['name: must be at most 100 characters']],
    ['POST', '/tenants', { name: 'a\nb' }, [`name: ${LINE}`]],
    ['POST', '/tenants', { settings: { color: 'red' } }, ['settings.color: unknown field']],
    [
      'POST',
      '/tenants',
      {
        settings: { gracePeriodSeconds: -1, keyPrefix: 'Ks', retentionSeconds: 1.5, storage: 'plain', allowReveal: 1 },
      },
      [
        'settings.gracePeriodSeconds: must not be negative',
        `settings.keyPrefix: ${PREFIX}`,
        'settings.retentionSeconds: must be a whole number of seconds',
        'settings.storage: must be sealed or digest',
        'settings.allowReveal: must be true or false',
      ],
    ],
    [
      'PATCH',
      '/tenants/acme',
      { settings: { gracePeriodSeconds: 31_536_001 } },
      ['settings.gracePeriodSeconds: must be at most 31536000 seconds'],
    ],
    [
      'PATCH',
      '/tenants/acme',
      { settings: { gracePeriodSeconds: '60' } },
      ['settings.gracePeriodSeconds: must be a number'],
    ],
    ['PATCH', '/tenants/acme', { settings: { keyPrefix: 'sk_live' } }, [`settings.keyPrefix: ${FOREIGN}`]],
    ['POST', '/tenants', { settings: { keyPrefix: 'ksm' } }, ['settings.keyPrefix: is that of management keys']],
    ['PATCH', '/tenants/acme', { status: 'deleted' }, ['status: must be active or disabled']],
    ['PATCH', '/tenants/acme', { name: null }, ['name: must be a string']],
    ['PATCH', '/tenants/acme', { id: 'other' }, ['id: unknown field']],
    ['POST', '/tenants/acme/keys', {}, ['name: is required']],
    ['POST', '/tenants/acme/keys', { name: '\u{d800}' }, [`name: ${LINE}`]],
    ['POST', '/tenants/acme/keys', { name: ' \u00a0' }, ['name: must not be blank']],
    ['POST', '/tenants/acme/keys', { name: 'k', prefix: 'a'.repeat(25) }, ['prefix: must be at most 24 characters']],
    ['POST', '/tenants/acme/keys', { name: 'k', prefix: 'a__b' }, [`prefix: ${PREFIX}`]],
    ['POST', '/tenants/acme/keys', { name: 'k', prefix: 'ghp' }, [`prefix: ${FOREIGN}`]],
    ['POST', '/tenants/acme/keys', { name: 'k', owner: 'o'.repeat(129) }, ['owner: must be at most 128 characters']],
    ['POST', '/tenants/acme/keys', { name: 'k', scopes: 'read' }, ['scopes: must be an array']],
    [
      'POST',
      '/tenants/acme/keys',
      { name: 'k', scopes: ['a b', 1, '*:read'] },
      [`scopes.0: ${SCOPE}`, 'scopes.1: must be a string', `scopes.2: ${SCOPE}`],
    ],
    ['POST', '/tenants/acme/keys', { name: 'k', scopes: Array(101).fill('a') }, ['scopes: must be at most 100 scopes']],
    ['POST', '/tenants/acme/keys', { name: 'k', metadata: nested(9) }, [`metadata: ${METADATA}`]],
    ['POST', '/tenants/acme/keys', { name: 'k', metadata: { a: { constructor: 1 } } }, [`metadata: ${METADATA}`]],
    ['POST', '/tenants/acme/keys', { name: 'k', metadata: { '\u{d800}': 1 } }, [`metadata: ${METADATA}`]],
    [
      'POST',
      '/tenants/acme/keys',
      { name: 'k', metadata: { a: 'é'.repeat(2048) } },
      ['metadata: must be at most 4096 bytes of JSON'],
    ],
    ['POST', '/tenants/acme/keys', { name: 'k', expiresAt: 4102444800 }, ['expiresAt: must be a string']],
    ['POST', '/tenants/acme/keys', { name: 'k', expiresAt: '2030-02-30T00:00:00Z' }, [`expiresAt: ${TIME}`]],
    ['POST', '/tenants/acme/keys', { name: 'k', expiresAt: '2030-01-01' }, [`expiresAt: ${TIME}`]],
    [
      'POST',
      '/tenants/acme/keys',
      { name: 'k', expiresAt: '2020-01-01T00:00:00Z' },
      ['expiresAt: must be in the future'],
    ],
    ['POST', '/tenants/acme/keys', { name: 'k', enabled: 'yes' }, ['enabled: must be true or false']],
    ['PATCH', '/tenants/acme/keys/:id', { prefix: 'ks' }, ['prefix: unknown field']],
    ['PATCH', '/tenants/acme/keys/:id', { name: null }, ['name: must be a string']],
    ['PATCH', '/tenants/acme/keys/:id', { expiresAt: '2020-01-01T00:00:00Z' }, ['expiresAt: must be in the future']],
    [
      'POST',
      '/tenants/acme/keys/:id/rotate',
      { gracePeriodSeconds: 31_536_001 },
      ['gracePeriodSeconds: must be at most 31536000 seconds'],
    ],
    ['POST', '/tenants/acme/keys/:id/rotate', { owner: 'o' }, ['owner: unknown field']],
    [
      'POST',
      '/tenants/acme/keys/:id/rotate',
      { expiresAt: '2020-01-01T00:00:00Z' },
      ['expiresAt: must be in the future'],
    ],
    [
      'POST',
      '/tenants/acme/keys/:id/revoke',
      { lineage: 1, reason: '' },
      ['reason: must not be empty', 'lineage: must be true or false'],
    ],
    ['POST', '/keys/verify', {}, ['key: is required']],
    [
      'POST',
      '/keys/verify',
      { key: null, scopes: {}, tenantId: 'ACME' },
      [
        'key: must be a string',
        'scopes: must be an array',
        'tenantId: must be 1 to 63 lower-case letters, digits, _ or -, a letter or digit first',
      ],
    ],
  ])('in a body are named by path, and change nothing: %s %s %j', async (method, path, body, complaints) => {
    const before = await getKey('acme', keyId);
    const tenants = await walk('/tenants');
    const response = await sendJson(method, `/v1${path.replace(':id', keyId)}`, body);
    expect(await complaintsIn(response)).toEqual(complaints);
    expect(await getKey('acme', keyId)).toEqual(before);
    expect(await walk('/tenants')).toEqual(tenants);
  });

  it.each<[string, string[]]>([
    ['/tenants?limit=0', ['limit: must be a whole number from 1 to 100']],
    ['/tenants?limit=101', ['limit: must be a whole number from 1 to 100']],
    ['/tenants?limit=', ['limit: must be a whole number from 1 to 100']],
    ['/tenants?limit=1e1', ['limit: must be a whole number from 1 to 100']],
    ['/tenants?limit=%31%00', ['limit: must be a whole number from 1 to 100']],
    ['/tenants?order=asc', ['order: unknown field']],
    ['/tenants?__proto__=1', ['__proto__: unknown field']],
    ['/tenants?toString=1', ['toString: unknown field']],
    ['/tenants?limit=5&limit=5', ['limit: must be given only once']],
    ['/tenants/acme/keys?order=up', ['order: must be asc or desc']],
    ['/tenants/acme/keys?status=gone', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?status=', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?status=active,', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?status=active,active', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?status=active,%20revoked', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?status=active&status=revoked', ['status: must be given only once']],
    ['/management-keys?status=active,gone', [`status: ${STATUSES}`]],
    ['/tenants/acme/keys?search=', ['search: must not be empty']],
    [`/tenants/acme/keys?search=${'a'.repeat(101)}`, ['search: must be at most 100 characters']],
    ['/tenants/acme/keys?expiresBefore=tomorrow', [`expiresBefore: ${TIME}`]],
    ['/tenants/acme/keys?name=', ['name: must not be empty']],
    ['/tenants/acme/keys?limit=x&owner=', ['limit: must be a whole number from 1 to 100', 'owner: must not be empty']],
    ['/tenants/acme/audit?action=drop%20table', [`action: must be ${AUDIT_ACTIONS.join(' or ')}`]],
    ['/tenants/acme/audit?keyId=1', ['keyId: must be a key id']],
    ['/audit?since=2030-01-01T00:00:00%2B25:00', [`since: ${TIME}`]],
  ])('in a query are named: %s', async (path, complaints) => {
    expect(await complaintsIn(await send('GET', `/v1${path}`))).toEqual(complaints);
  });

  it('are reported without a secret that was sent in the wrong field', async () => {
    for (const stray of [secret, env.ADMIN_TOKEN ?? '']) {
      const responses = await Promise.all([
        sendJson('POST', '/v1/tenants', { [stray]: stray }),
        sendJson('POST', '/v1/tenants/acme/keys', {
          name: 'k',
          prefix: stray,
          scopes: [`${stray} `],
          expiresAt: stray,
        }),
        sendJson('POST', '/v1/tenants/acme/keys', { name: 'k', metadata: { constructor: stray } }),
        sendJson('POST', '/v1/keys/verify', { key: [stray], tenantId: stray }),
        send('GET', `/v1/tenants?limit=${stray}`),
        send('GET', `/v1/tenants?${stray}=1`),
        send('GET', `/v1/tenants/acme/keys/${stray}`),
        send('GET', `/v1/${stray}`),
        send('POST', '/v1/tenants', { body: `{"${stray}"` }),
      ]);
      for (const response of responses) {
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect((await response.text()) + [...response.headers].join()).not.toContain(stray);
      }
    }
  });
});

describe('a cursor', () => {
  it('that is altered, or of another list, tenant, order or filter, is refused', async () => {
    await createTenant('paged');
    await createKey('paged');
    await createKey('paged');
    const page = await api('GET', '/tenants/paged/keys?limit=1');
    const next = /[?&]cursor=([^&>]+)/.exec(page.headers.get('Link') ?? '')?.[1] ?? '';
    const own = await send('GET', `/v1/tenants/paged/keys?limit=2&cursor=${next}`);
    expect(own.status).toBe(200);
    for (const path of [
      `/tenants?cursor=${next}`,
      `/tenants/acme/keys?cursor=${next}`,
      `/tenants/paged/audit?cursor=${next}`,
      `/tenants/paged/keys?order=asc&cursor=${next}`,
      `/tenants/paged/keys?owner=o&cursor=${next}`,
      `/tenants/paged/keys?cursor=${next.slice(0, -1)}${next.endsWith('A') ? 'B' : 'A'}`,
      '/tenants/paged/keys?cursor=',
    ]) {
      await problemIn(await send('GET', `/v1${path}`), 'invalid_cursor');
    }
  });
});

describe('several invalid values', () => {
  it('are each named when several fields are unknown', async () => {
    const response = await sendJson('POST', '/v1/tenants', { a: 1, b: 2, settings: { c: 3, d: 4 } });
    expect((await complaintsIn(response)).sort()).toEqual(
      ['a', 'b', 'settings.c', 'settings.d'].map((path) => `${path}: unknown field`),
    );
  });

  it('are explained when metadata is not an object', async () => {
    for (const metadata of [5, null, [], 'x']) {
      const response = await sendJson('POST', '/v1/tenants/acme/keys', { name: 'k', metadata });
      expect(await complaintsIn(response)).toEqual(['metadata: must be an object']);
    }
  });

  it('include a time whose UTC year RFC 3339 cannot express', async () => {
    const expiresAt = '9999-12-31T23:59:59-23:59';
    const response = await sendJson('POST', '/v1/tenants/acme/keys', { name: 'k', expiresAt });
    expect(response.status).toBe(422);
  });
});

describe('an expiry in the far future', () => {
  it('sets no alarm later than the platform allows (dates after 2189)', async () => {
    const { expiresAt } = await createKey('acme', { expiresAt: '2500-01-01T00:00:00.000Z' });
    expect(expiresAt).toBe('2500-01-01T00:00:00.000Z');
  });
});
