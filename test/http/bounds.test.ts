/**
 * A request's cost is bounded by the size of valid requests, not by the size of what was sent. The tests count reads
 * instead of measuring time.
 */
import * as v from 'valibot';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import * as audit from '../../src/api/audit/schemas.ts';
import * as common from '../../src/api/fields.ts';
import * as keys from '../../src/api/keys/schemas.ts';
import * as managementKeys from '../../src/api/management-keys/schemas.ts';
import * as owners from '../../src/api/owners/schemas.ts';
import * as rotations from '../../src/api/rotations/schemas.ts';
import * as tenants from '../../src/api/tenants/schemas.ts';
import * as verification from '../../src/api/verification/schemas.ts';
import { boundedArray, closedObject, ERRORS_MAX, type ListBody } from '../../src/http/bounded-schemas.ts';
import { StructureCheck } from '../../src/http/json-structure.ts';
import { LongList } from '../../src/http/long-list.ts';
import { Problem } from '../../src/http/problem.ts';
import { nextTurn } from '../../src/http/turns.ts';
import { validate, validateList } from '../../src/http/validation.ts';
import { createKey, createTenant, verify } from '../support/api.ts';
import { complaintsIn, problemIn, send, sendJson } from './client.ts';
import { HEAVY_BODIES, heavyBody } from './heavy-bodies.ts';
import { limitOf } from './hostile.ts';

beforeAll(() => createTenant('acme'));

/** A value that counts reads of its own members; reads of nested members are not counted. */
function counting<T extends object>(value: T): { readonly value: T; readonly reads: () => number } {
  let reads = 0;
  const proxy = new Proxy(value, {
    get: (target, name, receiver) => {
      if (name !== 'length') reads += 1;
      return Reflect.get(target, name, receiver);
    },
  });
  return { value: proxy, reads: () => reads };
}

function errorsOf(schema: v.GenericSchema, value: unknown): { path: string; message: string }[] {
  try {
    validate(schema, value, 'body');
  } catch (error) {
    return errorsIn(error);
  }
  return [];
}

function errorsOfList(list: ListBody<unknown>, value: unknown) {
  return validateList(list, value).then(() => [], errorsIn);
}

/** Returns how many turns of the event loop others get while the work is done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let [turns, isDone] = [0, false];
  const others = (async () => {
    for (; !isDone; turns++) await nextTurn();
  })();
  await work();
  isDone = true;
  await others;
  return turns;
}

function errorsIn(error: unknown): { path: string; message: string }[] {
  if (!(error instanceof Problem)) throw error;
  return v.parse(
    v.object({ errors: v.array(v.object({ path: v.string(), message: v.string() })) }),
    error.options.members,
  ).errors;
}

describe('an array', () => {
  const list = closedObject({ list: boundedArray(v.string(), 1, 100, 'texts') });

  it('that is too long or too short is refused without reading any item', () => {
    for (const [length, message] of [
      [100_000, 'must be at most 100 texts'],
      [0, 'must not be empty'],
    ] as const) {
      const { value, reads } = counting(Array<number>(length).fill(0));
      expect(errorsOf(list, { list: value })).toEqual([{ path: 'list', message }]);
      expect(reads()).toBe(0);
    }
  });

  it('of invalid items is not read beyond the last error that is reported', () => {
    const { value, reads } = counting(Array<number>(100).fill(0));
    const errors = errorsOf(list, { list: value });
    expect(errors).toHaveLength(ERRORS_MAX);
    expect(errors.at(-1)).toEqual({ path: `list.${ERRORS_MAX - 1}`, message: 'must be a string' });
    expect(reads()).toBe(ERRORS_MAX);
  });

  it('of objects with invalid arrays is not either: 500 bad keys give no more errors than a few', async () => {
    const bad = () => ({ name: '', scopes: Array(100).fill('a b') });
    const { value, reads } = counting(Array.from({ length: 500 }, bad));
    expect(await errorsOfList(keys.createKeysBody, { keys: value })).toHaveLength(ERRORS_MAX);
    // Only the first chunk of the list, which is validated in one turn.
    expect(reads()).toBeLessThan(110);
  });

  it('that is long and valid is validated and serialised in several turns: others are served in between', async () => {
    const many = { keys: Array.from({ length: 500 }, () => ({ name: 'x' })) };
    expect(await turnsDuring(() => validateList(keys.createKeysBody, many))).toBeGreaterThan(4);
    const list = new LongList(500, (i) => ({ ...many.keys[i], i }));
    expect(await turnsDuring(() => list.toJson())).toBeGreaterThan(4);
    const bytes = await list.toJson();
    expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual({ data: many.keys.map((key, i) => ({ ...key, i })) });
    expect(new TextDecoder().decode(await new LongList(0, () => 0).toJson())).toBe('{"data":[]}');
  });

  it('is reported completely: first the errors of its items, then those of other fields', async () => {
    const body = { keys: [{ name: 'fine' }, { name: '' }, 7], more: 1 };
    expect(await errorsOfList(keys.createKeysBody, body)).toEqual([
      { path: 'keys.1.name', message: 'must not be empty' },
      { path: 'keys.2', message: 'must be an object' },
      { path: 'more', message: 'unknown field' },
    ]);
    expect(await errorsOfList(keys.createKeysBody, undefined)).toEqual([{ path: 'body', message: 'is missing' }]);
    expect(await errorsOfList(keys.createKeysBody, {})).toEqual([{ path: 'keys', message: 'is required' }]);
    expect(await errorsOfList(keys.createKeysBody, { keys: 'x', more: 1 })).toEqual([
      { path: 'keys', message: 'must be an array' },
      { path: 'more', message: 'unknown field' },
    ]);
  });
});

describe('an object', () => {
  it('with unknown fields is read once, and they are reported up to the bound', () => {
    const unknownFields = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`u${i}`, i]));
    const { value, reads } = counting<Record<string, unknown>>({ key: 'x', tenantId: 'ACME', ...unknownFields });
    const errors = errorsOf(verification.verifyBody, value);
    expect(errors).toHaveLength(ERRORS_MAX);
    expect(errors.slice(0, 2)).toEqual([
      { path: 'tenantId', message: expect.stringContaining('must be 1 to 63') },
      { path: 'u0', message: 'unknown field' },
    ]);
    expect(reads()).toBeLessThan(10);
  });

  it('cannot be an array', async () => {
    for (const body of ['[]', '[1]', '[{"name":"x"}]']) {
      expect(await complaintsIn(await send('POST', '/v1/tenants', { body }))).toEqual(['body: must be an object']);
    }
    const settings = await sendJson('POST', '/v1/tenants', { settings: [] });
    expect(await complaintsIn(settings)).toEqual(['settings: must be an object']);
  });
});

describe('every schema of a request', () => {
  const modules = { audit, common, keys, managementKeys, owners, rotations, tenants, verification };
  const sent = Object.values(modules).flatMap((module) =>
    Object.entries<unknown>({ ...module }).filter(([name]) => /(?:Body|Query)$/.test(name)),
  );

  it.each(sent)('has only bounded arrays and closed objects: %s', (_name, schema) => {
    expect(unboundedIn(schema)).toEqual([]);
  });

  it('is recognised as unbounded when it is', () => {
    expect(unboundedIn(v.optional(v.pipe(v.array(v.string()), v.maxLength(3))))).toEqual(['array']);
    expect(unboundedIn(closedObject({ a: v.nullable(v.strictObject({ b: v.string() })) }))).toEqual(['strict_object']);
  });

  /** Returns the types of valibot's own arrays and objects anywhere in a schema. */
  function unboundedIn(schema: unknown): string[] {
    if (typeof schema !== 'object' || schema === null) return [];
    const type: unknown = Reflect.get(schema, 'type');
    const own = OWN.get(String(type));
    const isOwn = own !== undefined && String(Reflect.get(schema, '~run')) === own && !('pipe' in schema);
    const inner = ['wrapped', 'whole', 'item', 'entries', 'options', 'pipe'].flatMap((name): unknown[] => {
      const part: unknown = Reflect.get(schema, name);
      return typeof part === 'object' && part !== null ? Object.values('kind' in part ? { part } : part) : [];
    });
    return [...(isOwn ? [String(type)] : []), ...inner.flatMap((part) => (part === schema ? [] : unboundedIn(part)))];
  }
  const OWN = new Map([
    ['array', String(v.array(v.string())['~run'])],
    ['strict_object', String(v.strictObject({})['~run'])],
    ['object', String(v.object({})['~run'])],
  ]);
});

describe('the structure of a long body', () => {
  const breachOf = (text: string) => {
    for (const check = new StructureCheck(text); ; ) {
      const breach = check.next();
      if (breach !== null || check.done) return breach;
    }
  };
  const MARKS = 'must have at most 65536 brackets, colons and commas outside of texts';

  it.each<[string, string, string | null]>([
    ['32 levels', `${'['.repeat(32)}${']'.repeat(32)}`, null],
    ['33 levels', `${'['.repeat(33)}${']'.repeat(33)}`, 'must nest at most 32 deep'],
    ['33 levels of objects', '{"a":'.repeat(33), 'must nest at most 32 deep'],
    ['many arrays side by side', `[${'[],'.repeat(30_000)}0]`, null],
    ['65,536 marks', `[${'0,'.repeat(65_535)}0]`, null],
    ['one mark more', `[${'0,'.repeat(65_536)}0]`, MARKS],
    ['members', `{${'"a":0,'.repeat(40_000)}"a":0}`, MARKS],
    ['marks in a text', `"${'[{,:'.repeat(100_000)}"`, null],
    ['marks in a text after an escaped quote', `"\\"${'['.repeat(100_000)}"`, null],
    ['marks after a text that ends with a backslash', `["\\\\",${'['.repeat(100)}`, 'must nest at most 32 deep'],
    ['marks in a text that spans the parts of the look', `"${'x'.repeat(2 ** 20 - 2)}\\"${'['.repeat(100)}"`, null],
    ['marks in a later part', ' '.repeat(2 ** 20) + '['.repeat(100), 'must nest at most 32 deep'],
  ])('is bounded: %s', (_name, text, breach) => {
    expect(breachOf(text)).toBe(breach);
  });

  it('is checked against what the fields allow before the text is parsed', async () => {
    const parse = vi.spyOn(JSON, 'parse');
    const bulk = '/v1/tenants/acme/keys/bulk';
    const response = await send('POST', bulk, { body: `{"keys":[${'{},'.repeat(300_000)}{}]}` });
    const parsed = parse.mock.calls.filter(([text]) => String(text).includes('{},{}'));
    parse.mockRestore();
    expect(parsed).toEqual([]);
    expect(await complaintsIn(response)).toEqual([`body: ${MARKS}`]);
  });
});

describe('metadata', () => {
  const complaints = async (metadata: unknown) =>
    complaintsIn(await sendJson('POST', '/v1/tenants/acme/keys', { name: 'k', metadata }));

  it('has at most 1000 values over all levels, and no more than those are read', async () => {
    expect(await complaints({ a: Array(1000).fill(0) })).toEqual(['metadata: must have at most 1000 values']);
    const { value, reads } = counting<Record<string, number>>(
      Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`m${i}`, i])),
    );
    expect(errorsOf(keys.createKeyBody, { name: 'k', metadata: value })).toHaveLength(1);
    expect(reads()).toBeLessThanOrEqual(1001);
    await createKey('acme', { metadata: { a: Array(999).fill(0) } });
  });

  it('is not serialised when its texts alone are too long', () => {
    const stringify = vi.spyOn(JSON, 'stringify');
    const errors = errorsOf(keys.createKeyBody, { name: 'k', metadata: { a: { b: ['x'.repeat(4097)] } } });
    expect(stringify).not.toHaveBeenCalled();
    stringify.mockRestore();
    expect(errors).toEqual([{ path: 'metadata', message: 'must be at most 4096 bytes of JSON' }]);
  });
});

describe('a body limit', () => {
  const escaped = (text: string) =>
    [...text].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');

  it('allows the largest key, with every character escaped', async () => {
    const scopes = Array.from({ length: 100 }, (_, i) => `s${i}:`.padEnd(100, 'x'));
    const fields = [
      `"name":"${escaped('n'.repeat(100))}"`,
      `"owner":"${escaped('o'.repeat(128))}"`,
      `"prefix":"${escaped('p'.repeat(24))}"`,
      `"scopes":[${scopes.map((scope) => `"${escaped(scope)}"`).join()}]`,
      `"metadata":{"a":"${escaped('m'.repeat(4088))}"}`,
      `"expiresAt":"${escaped('2100-01-01T00:00:00.000000000+00:00')}"`,
    ];
    const body = `{${fields.join()}}`;
    expect(body.length).toBeGreaterThan(80_000);
    expect((await send('POST', '/v1/tenants/acme/keys', { body })).status).toBe(201);
  });

  it('allows the largest owner, with every character escaped', async () => {
    const fields = [
      `"id":"${escaped('i'.repeat(128))}"`,
      `"name":"${escaped('n'.repeat(100))}"`,
      `"metadata":{"a":"${escaped('m'.repeat(4088))}"}`,
    ];
    const body = `{${fields.join()}}`;
    expect(body.length).toBeGreaterThan(25_000);
    expect((await send('POST', '/v1/tenants/acme/owners', { body })).status).toBe(201);
  });

  it('allows the largest verification, with no character escaped', async () => {
    const scopes = Array.from({ length: 100 }, (_, i) => `s${i}:`.padEnd(100, 'x'));
    const { secret } = await createKey('acme', { prefix: 'p'.repeat(24), scopes });
    expect((await verify(secret, { scopes })).code).toBe('VALID');
  });

  it.each(
    operations.filter(({ method }) => method === 'POST' || method === 'PATCH').map((route) => [route.path, route]),
  )('is reached by the hostile requests: %s', (_path, route) => {
    expect(limitOf(route)).toBeGreaterThanOrEqual(route.request.bodyBytesMax);
  });

  it.each(HEAVY_BODIES)('is not exceeded by heavy bodies: %s', (name) => {
    expect(heavyBody(name, 16 * 1024).length).toBeLessThanOrEqual(16 * 1024);
  });
});

describe('other parts of a request', () => {
  it('are bounded as well: a query and entity tags', async () => {
    const query = await send('GET', `/v1/tenants?${'a=1&'.repeat(3000)}`);
    expect(await complaintsIn(query)).toEqual(['query: must be at most 8192 characters']);
    const { id } = await createKey('acme');
    const headers = { 'If-Match': '"1",'.repeat(101) };
    const tags = await send('DELETE', `/v1/tenants/acme/keys/${id}`, { headers });
    expect(await complaintsIn(tags)).toEqual(['If-Match: must have at most 100 entity tags']);
  });

  it('are bounded as well: a path longer than any route is 404, and the longest is not', async () => {
    const longest = encodeURIComponent('客'.repeat(128));
    await problemIn(await send('GET', `/v1/tenants/acme/owners/${longest}`), 'owner_not_found');
    await problemIn(await send('GET', `/v1/tenants/${'x'.repeat(63)}/owners/${longest}`), 'tenant_not_found');
    await problemIn(await send('GET', `/v1/tenants/${'x'.repeat(2000)}`), 'not_found');
    await problemIn(await send('GET', '/'.repeat(30_000)), 'not_found');
  });
});

describe('the detail of a refusal', () => {
  const detailOf = async (response: Response) => (await problemIn(response, 'validation_failed')).detail;

  it('gives the first error and the number of further ones', async () => {
    expect(await detailOf(await sendJson('POST', '/v1/tenants/acme/keys', {}))).toBe('name: is required.');
    const two = await sendJson('POST', '/v1/tenants/acme/keys', { name: '', color: 'red' });
    expect(await detailOf(two)).toBe('name: must not be empty. 1 more in errors.');
    const settings = { gracePeriodSeconds: 31_536_001 };
    expect(await detailOf(await sendJson('PATCH', '/v1/tenants/acme', { settings }))).toBe(
      'settings.gracePeriodSeconds: must be at most 31536000 seconds.',
    );
  });

  it('names the body or the query when the error is about the whole of it', async () => {
    expect(await detailOf(await send('POST', '/v1/keys/verify'))).toBe('body: is missing.');
    const both = await send('GET', '/v1/tenants/acme/keys?offset=0&cursor=x');
    expect(await detailOf(both)).toBe('query: give either cursor or offset.');
    const neither = await sendJson('POST', '/v1/management-keys', { name: 'm' });
    expect(await detailOf(neither)).toBe('body: give either role or permissions.');
  });
});
