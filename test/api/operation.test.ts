/** What it takes to add an operation: one entry with its `run`. A made-up one shows what follows from it. */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeAll, describe, expect, it } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import { authorize } from '../../src/api/authorization.ts';
import { problemsOf } from '../../src/api/description.ts';
import { describeApi } from '../../src/api/openapi/document.ts';
import { operation, PATH_OF } from '../../src/api/operation.ts';
import { PERMISSIONS, type Principal } from '../../src/auth/principal.ts';
import { closedObject } from '../../src/http/bounded-schemas.ts';
import { line } from '../../src/http/line.ts';
import { handlerOf } from '../../src/router.ts';
import { createTenant } from '../support/api.ts';

const greetTenant = operation({
  id: 'tenants.greet',
  summary: 'Greets a tenant',
  method: 'POST',
  path: '/v1/tenants/:tenantId/greeting',
  permission: 'tenants:read',
  changes: false,
  request: {
    path: PATH_OF.tenant,
    query: closedObject({ loudly: v.optional(v.picklist(['yes', 'no']), 'no') }),
    body: closedObject({ greeting: line(20) }),
  },
  response: { status: 201, body: v.strictObject({ text: v.string() }) },
  run: async (_context, { tenantId, query, body }) => ({
    value: { text: `${body.greeting}, ${tenantId}${query.loudly === 'yes' ? '!' : '.'}` },
    version: 7,
  }),
});

const handle = handlerOf([...operations, greetTenant]);

async function ask(path: string, body: string, token = env.ADMIN_TOKEN) {
  const response = await handle(
    new Request(`http://keystead.test${path}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body,
    }),
    env,
  );
  const answered: unknown = await response.json();
  return { status: response.status, body: answered, etag: response.headers.get('ETag') };
}

const caller = (parts: Partial<Principal>): Principal => ({
  actor: { type: 'management_key', id: 'key_1' },
  permissions: new Set(PERMISSIONS),
  confinement: null,
  endsAt: null,
  ...parts,
});

describe('an operation that is added', () => {
  beforeAll(() => createTenant('acme'));

  it('has its route and its response', async () => {
    const { status, body, etag } = await ask('/v1/tenants/acme/greeting?loudly=yes', '{"greeting":"Hello"}');
    expect([status, body, etag]).toEqual([201, { text: 'Hello, acme!' }, '"7"']);
  });

  it('has its validation: path, query, body, and the size of the body', async () => {
    const greeting = '{"greeting":"Hello"}';
    const path = '/v1/tenants/acme/greeting';
    expect(await ask('/v1/tenants/NOBODY/greeting', greeting)).toMatchObject({ status: 404 });
    expect(await ask(`${path}?loudly=maybe`, greeting)).toMatchObject({ status: 422 });
    expect(await ask(path, '{"greeting":"Hello","more":1}')).toMatchObject({ status: 422 });
    expect(await ask(path, `{"greeting":"${'x'.repeat(20_000)}"}`)).toMatchObject({ status: 413 });
    expect(await ask(path, '{')).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
  });

  it('asks for its permission, and for the right tenant', async () => {
    expect(await ask('/v1/tenants/acme/greeting', '{"greeting":"Hello"}', 'nobody')).toMatchObject({ status: 401 });
    expect(() => authorize(caller({ permissions: new Set(['keys:read']) }), greetTenant, 'acme')).toThrow('forbidden');
    const elsewhere = { tenantId: 'other', bound: { incarnation: 'inc_1' } };
    expect(() => authorize(caller({ confinement: elsewhere }), greetTenant, 'acme')).toThrow('tenant_not_found');
    expect(authorize(caller({}), greetTenant, 'acme')).toBeUndefined();
  });

  it('has its description', () => {
    const { paths, components } = describeApi([...operations, greetTenant], '1.0.0');
    const { post } = paths['/v1/tenants/{tenantId}/greeting'] ?? {};
    expect(post).toMatchObject({
      operationId: 'tenants.greet',
      summary: 'Greets a tenant',
      description: 'Needs the permission `tenants:read`.',
      parameters: [
        { name: 'tenantId', in: 'path', schema: { pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' } },
        { name: 'loudly', in: 'query', required: false, schema: { enum: ['yes', 'no'], default: 'no' } },
        { $ref: '#/components/parameters/RequestId' },
      ],
      requestBody: { required: true },
      responses: {
        201: { content: { 'application/json': { schema: { $ref: '#/components/schemas/TenantsGreetResponse' } } } },
      },
    });
    expect(components.schemas.TenantsGreetBody).toMatchObject({
      properties: { greeting: { type: 'string', minLength: 1, maxLength: 20 } },
      required: ['greeting'],
      additionalProperties: false,
    });
    expect(Object.keys(post?.responses ?? {})).toEqual([
      '201',
      '400',
      '401',
      '403',
      '404',
      '413',
      '415',
      '422',
      '500',
      '503',
    ]);
    expect(problemsOf(greetTenant)).toEqual([
      ...['invalid_host', 'invalid_json', 'unauthenticated', 'forbidden', 'tenant_not_found', 'payload_too_large'],
      ...['unsupported_media_type', 'validation_failed', 'internal_error', 'unavailable', 'misconfigured'],
    ]);
  });
});

describe('the list of operations', () => {
  it('has each id once, in the form resource.verb, and each method and path once', () => {
    const ids = operations.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][A-Za-z]*\.[a-z][A-Za-z]*$/);
    const places = operations.map(({ method, path }) => `${method} ${path}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it('names the parameters of each path', () => {
    for (const { path, request } of operations) {
      const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name);
      expect(inPath.sort(), path).toEqual(Object.keys(request.path).sort());
    }
  });

  it('says of each operation in one line what it does, and which problems are its own', () => {
    for (const described of operations) {
      expect(described.summary).toMatch(/^[A-Z][^\n]{5,110}[^.]$/);
      const ofItsForm = problemsOf({ ...described, errors: [] });
      expect(described.errors.filter((code) => ofItsForm.includes(code))).toEqual([]);
    }
  });
});
