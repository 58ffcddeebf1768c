/** Owners as a resource: how they come into being, are read, listed, changed and deleted. */
import { env, exports } from 'cloudflare:workers';
import * as v from 'valibot';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ownerResource } from '../../src/api/owners/schemas.ts';
import {
  api,
  createKey,
  createTenant,
  deleteKey,
  problemCode,
  revokeKey,
  rotateKey,
  updateKey,
  verify,
  walk,
} from '../support/api.ts';
import { as, managementKey, outcomeOf } from '../support/callers.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { runAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

let tenants = 0;
let tenant = '';

beforeAll(async () => {
  await createTenant('system-made');
  await managementKey({ role: 'verifier' });
});

beforeEach(async () => {
  tenant = `owners-${tenants++}`;
  await createTenant(tenant);
});

const owners = () => `/tenants/${tenant}/owners`;
const pathTo = (id: string) => `${owners()}/${encodeURIComponent(id)}`;
const createOwner = (input: object, headers = {}) => api('POST', owners(), input, headers);
const patchOwner = (id: string, patch: object, headers = {}) => api('PATCH', pathTo(id), patch, headers);

async function getOwner(id: string) {
  const { status, body } = await api('GET', pathTo(id));
  expect(status, JSON.stringify(body)).toBe(200);
  return v.parse(ownerResource, body);
}

const idsOf = async (query = '') => (await walk(`${owners()}${query}`)).map(({ id }) => id);

describe('an owner', () => {
  it('comes into being with the first key that names it, without an audit entry of its own', async () => {
    await createKey(tenant, { owner: 'first' });
    expect(await getOwner('first')).toEqual({
      ...{ id: 'first', tenantId: tenant, name: null, metadata: {}, enabled: true, plan: null, credits: null },
      ...{ createdAt: at(START), createdBy: { type: 'admin_token', id: 'admin' }, updatedAt: at(START), version: 1 },
    });
    advance(1000);
    await createKey(tenant, { owner: 'first' });
    expect(await getOwner('first')).toMatchObject({ createdAt: at(START), version: 1 });
    const actions = (await walk(`/tenants/${tenant}/audit`)).map(({ action }) => action);
    expect(actions).toEqual(['key.create', 'key.create', 'tenant.create']);
  });

  it('comes into being with keys created in bulk and with a key that is given to it', async () => {
    const keys = [{ owner: 'a' }, { owner: 'b' }, { owner: 'a' }, {}].map((key) => ({ name: 'k', ...key }));
    expect((await api('POST', `/tenants/${tenant}/keys/bulk`, { keys })).status).toBe(201);
    expect(await idsOf('?order=asc')).toEqual(['a', 'b']);
    const { id } = await createKey(tenant);
    await updateKey(tenant, id, { owner: 'c' });
    await rotateKey(tenant, id);
    expect(await idsOf()).toEqual(['c', 'b', 'a']);
  });

  it('does not come into being with a creation that fails', async () => {
    const keys = [
      { name: 'k', owner: 'never' },
      { name: 'k', expiresAt: at(START - 1) },
    ];
    expect((await api('POST', `/tenants/${tenant}/keys/bulk`, { keys })).status).toBe(422);
    await sqlIn(tenant, "CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END");
    expect((await api('POST', `/tenants/${tenant}/keys`, { name: 'k', owner: 'never' })).status).toBe(503);
    expect(await idsOf()).toEqual([]);
    expect(await problemCode(api('GET', pathTo('never')))).toBe('owner_not_found');
  });

  it('does not come into being with management keys', async () => {
    await managementKey({ role: 'verifier', tenantId: 'system-made' });
    expect(await sqlIn('_system', 'SELECT count(*) AS n FROM keys WHERE owner IS NOT NULL')).toEqual([{ n: 1 }]);
    expect(await sqlIn('_system', 'SELECT * FROM owners')).toEqual([]);
    expect(await problemCode(api('GET', '/tenants/_system/owners'))).toBe('tenant_not_found');
  });

  it('can be created before its first key, once', async () => {
    const created = await createOwner({ id: 'c1', name: 'Customer 1', metadata: { plan: 'gold' } });
    expect(created).toMatchObject({ status: 201, body: { id: 'c1', name: 'Customer 1', metadata: { plan: 'gold' } } });
    expect(created.headers.get('ETag')).toBe('"1"');
    expect(await problemCode(createOwner({ id: 'c1' }))).toBe('owner_exists');
    const key = await createKey(tenant, { owner: 'c1' });
    expect(await verify(key.secret)).toMatchObject({ code: 'VALID', owner: 'c1', ownerMetadata: { plan: 'gold' } });
    await createKey(tenant, { owner: 'by-a-key' });
    expect(await problemCode(createOwner({ id: 'by-a-key' }))).toBe('owner_exists');
    expect(await getOwner('c1')).toMatchObject({ version: 1, name: 'Customer 1' });
  });

  it('is changed field by field, null clears, and an update without a difference changes nothing', async () => {
    await createOwner({ id: 'c', name: 'n', metadata: { a: 1 } });
    advance(1000);
    const changed = await patchOwner('c', { name: 'm' });
    expect(changed).toMatchObject({ status: 200, body: { name: 'm', metadata: { a: 1 }, version: 2 } });
    expect(changed.headers.get('ETag')).toBe('"2"');
    expect(await getOwner('c')).toMatchObject({ createdAt: at(START), updatedAt: at(START + 1000) });
    expect((await patchOwner('c', { name: 'm', enabled: true })).body).toMatchObject({ version: 2 });
    expect((await patchOwner('c', {})).body).toMatchObject({ version: 2 });
    expect((await patchOwner('c', { name: null, metadata: null })).body).toMatchObject({ name: null, metadata: {} });
    expect(await problemCode(patchOwner('nobody', { name: 'x' }))).toBe('owner_not_found');
  });

  it('is changed only in the version that If-Match names', async () => {
    await createKey(tenant, { owner: 'c' });
    const ifMatch = { 'If-Match': '"1"' };
    expect((await patchOwner('c', { name: 'n' }, ifMatch)).status).toBe(200);
    expect(await problemCode(patchOwner('c', { name: 'o' }, ifMatch))).toBe('precondition_failed');
    expect(await problemCode(api('DELETE', pathTo('c'), undefined, ifMatch))).toBe('precondition_failed');
    expect((await api('GET', pathTo('c'))).headers.get('ETag')).toBe('"2"');
  });

  it('is created and changed once for each Idempotency-Key', async () => {
    const again = { 'Idempotency-Key': 'once' };
    const first = await createOwner({ id: 'c' }, again);
    const second = await createOwner({ id: 'c' }, again);
    expect([second.status, second.body]).toEqual([201, first.body]);
    expect(second.headers.get('Idempotency-Replayed')).toBe('true');
    expect(await problemCode(createOwner({ id: 'd' }, again))).toBe('idempotency_key_reused');
    await patchOwner('c', { enabled: false }, again);
    await patchOwner('c', { enabled: true });
    expect((await patchOwner('c', { enabled: false }, again)).body).toMatchObject({ enabled: false, version: 2 });
    expect(await getOwner('c')).toMatchObject({ enabled: true, version: 3 });
  });

  it('has audit entries of its creation, its changes and its deletion, with the person behind them', async () => {
    const onBehalfOf = { 'X-On-Behalf-Of': 'ann' };
    await createOwner({ id: 'c', name: 'n', metadata: { secret: 1 } }, onBehalfOf);
    await patchOwner('c', { enabled: false, metadata: {}, name: 'm' }, onBehalfOf);
    await api('DELETE', pathTo('c'), undefined, onBehalfOf);
    const entries = await walk(`/tenants/${tenant}/audit?onBehalfOf=ann`);
    expect(entries.map(({ action, changes }) => [action, changes])).toEqual([
      ['owner.delete', { owner: 'c', name: 'm' }],
      [
        'owner.update',
        { owner: 'c', name: { from: 'n', to: 'm' }, enabled: { from: true, to: false }, metadata: 'changed' },
      ],
      ['owner.create', { owner: 'c', name: 'n', enabled: true }],
    ]);
    expect(await walk(`/tenants/${tenant}/audit?action=owner.update`)).toHaveLength(1);
  });
});

describe('the id of an owner', () => {
  const IDS = [
    'plain',
    'a/b',
    '/',
    '%',
    '%2F',
    '%00',
    'a b',
    ' a',
    'a+b&c=d?e#f',
    '\\',
    '...',
    '.hidden',
    'ü',
    'e\u0301',
    '\u{1f511}',
    '{{tenant}}',
    '__proto__',
    ':ownerId',
    '客'.repeat(128),
    '\u{1f511}'.repeat(64),
    'x'.repeat(128),
  ];

  it.each(IDS)('is any text that a key may have, encoded in the path: %s', async (id) => {
    const key = await createKey(tenant, { owner: id });
    expect((await getOwner(id)).id).toBe(id);
    expect((await patchOwner(id, { enabled: false, metadata: { of: id } })).status).toBe(200);
    const answer = { code: 'OWNER_DISABLED', owner: id, ownerMetadata: { of: id } };
    expect(await verify(key.secret)).toMatchObject(answer);
    await revokeKey(tenant, key.id);
    expect((await api('DELETE', pathTo(id))).status).toBe(204);
    expect((await createOwner({ id })).body).toMatchObject({ id });
  });

  it.each(['%', '%2', '%zz', '%ff', '%ed%a0%80', '%00', '%0a', '%20', '%EF%BF%BF', 'x'.repeat(129), '%C3%28'])(
    'is not what cannot be the owner of a key: %s',
    async (encoded) => {
      for (const method of ['GET', 'DELETE']) {
        expect(await problemCode(api(method, `${owners()}/${encoded}`))).toBe('owner_not_found');
      }
    },
  );

  it('compares exactly: by case, by form, and after one decoding', async () => {
    for (const id of ['a', 'A', '%61', '\u00e9', 'e\u0301']) await createKey(tenant, { owner: id });
    expect((await idsOf('?order=asc')).sort()).toEqual(['%61', 'A', 'a', 'e\u0301', '\u00e9']);
    expect(await api('GET', `${owners()}/%61`)).toMatchObject({ body: { id: 'a' } });
    expect(await api('GET', `${owners()}/%2561`)).toMatchObject({ body: { id: '%61' } });
  });

  it.each(['.', '..', '%2e', '%2E%2e'])(
    'that a client folds away leads nowhere, and to no tenant: %s',
    async (dots) => {
      await createKey(tenant, { owner: '.' });
      await createKey(tenant, { owner: '..' });
      for (const method of ['GET', 'PATCH', 'DELETE']) {
        const response = await exports.default.fetch(`http://keystead.test/v1${owners()}/${dots}`, {
          method,
          headers: { Authorization: `Bearer ${env.ADMIN_TOKEN}` },
        });
        expect([response.status, await response.json()]).toMatchObject([404, { code: 'not_found' }]);
      }
      expect((await api('GET', `/tenants/${tenant}`)).status).toBe(200);
    },
  );

  it('is refused in a body when no key could have it', async () => {
    for (const id of ['', ' ', 'a\nb', '\u0000', 'x'.repeat(129), '\ud800', null, 7]) {
      expect(await problemCode(createOwner({ id }))).toBe('validation_failed');
    }
    expect(await problemCode(createOwner({}))).toBe('validation_failed');
    expect(await problemCode(createOwner({ id: 'x', plan: 'gold' }))).toBe('validation_failed');
    expect(await problemCode(patchOwner('x', { id: 'y' }))).toBe('validation_failed');
  });
});

describe('a list of owners', () => {
  it('has every owner once, newest first or oldest first, page by page', async () => {
    const ids = Array.from({ length: 7 }, (_, i) => `o${i}`);
    for (const id of ids) await createOwner({ id, metadata: { id } });
    expect(await idsOf('?limit=3')).toEqual(ids.toReversed());
    expect(await idsOf('?limit=3&order=asc')).toEqual(ids);
    const [first] = await walk(`${owners()}?limit=1`);
    expect(v.parse(ownerResource, first)).toMatchObject({ id: 'o6', metadata: { id: 'o6' } });
  });

  it('is filtered by whether owners are enabled, and by a part of id or name', async () => {
    await createOwner({ id: 'cus_1', name: 'Straße' });
    await createOwner({ id: 'cus_2', name: 'Other', enabled: false });
    await createOwner({ id: 'ünïcode' });
    expect(await idsOf('?enabled=false')).toEqual(['cus_2']);
    expect(await idsOf('?enabled=true')).toEqual(['ünïcode', 'cus_1']);
    expect(await idsOf('?search=US_')).toEqual(['cus_2', 'cus_1']);
    expect(await idsOf('?search=STRASSE')).toEqual(['cus_1']);
    expect(await idsOf(`?search=${encodeURIComponent('ÜNÏ')}`)).toEqual(['ünïcode']);
    expect(await idsOf('?search=US_&enabled=true')).toEqual(['cus_1']);
    expect(await problemCode(api('GET', `${owners()}?enabled=yes`))).toBe('validation_failed');
    expect(await problemCode(api('GET', `${owners()}?offset=0`))).toBe('validation_failed');
  });

  it('refuses the cursor of another list, filter or order', async () => {
    for (const id of ['a', 'b', 'c']) await createOwner({ id });
    const { body } = await api('GET', `${owners()}?limit=1&enabled=true`);
    const { page } = v.parse(v.object({ page: v.object({ nextCursor: v.string() }) }), body);
    const follow = (path: string) => api('GET', `${path}cursor=${page.nextCursor}`);
    expect((await follow(`${owners()}?limit=1&enabled=true&`)).status).toBe(200);
    for (const path of [`${owners()}?`, `${owners()}?enabled=true&order=asc&`, `/tenants/${tenant}/keys?`]) {
      expect(await problemCode(follow(path))).toBe('invalid_cursor');
    }
  });

  it('examines a bounded number of rows for each page', async () => {
    await sqlIn(
      tenant,
      `WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 5000)
       INSERT INTO owners (id, enabled, created_at, updated_at, version)
       SELECT 'o' || value, value <> 17, 0, 0, 1 FROM n`,
    );
    const { body } = await api('GET', `${owners()}?search=nothing`);
    expect(body).toMatchObject({ data: [], page: { hasMore: true } });
    expect(await idsOf('?search=O17&order=asc')).toEqual(expect.arrayContaining(['o17', 'o170', 'o1700']));
    expect((await api('GET', `${owners()}?enabled=false`)).body).toMatchObject({
      data: [{ id: 'o17' }],
      page: { hasMore: false },
    });
  });
});

describe('the deletion of an owner', () => {
  const deleteOwner = (id: string) => api('DELETE', pathTo(id));

  it('is refused while one of its keys lives, whatever its status', async () => {
    const key = await createKey(tenant, { owner: 'c' });
    expect(await problemCode(deleteOwner('c'))).toBe('owner_has_keys');
    await updateKey(tenant, key.id, { enabled: false });
    expect(await problemCode(deleteOwner('c'))).toBe('owner_has_keys');
    await updateKey(tenant, key.id, { enabled: true });
    const { key: next } = await rotateKey(tenant, key.id, { gracePeriodSeconds: 60 });
    await revokeKey(tenant, next.id);
    expect(await problemCode(deleteOwner('c'))).toBe('owner_has_keys');
    advance(60_000);
    expect((await deleteOwner('c')).status).toBe(204);
    expect(await problemCode(deleteOwner('c'))).toBe('owner_not_found');
  });

  it('succeeds when its keys were revoked, and they go on to name it', async () => {
    const key = await createKey(tenant, { owner: 'c' });
    await patchOwner('c', { metadata: { a: 1 } });
    await api('POST', `/tenants/${tenant}/keys/revoke`, { owner: 'c' });
    expect(await verify(key.secret)).toMatchObject({ code: 'REVOKED', ownerMetadata: { a: 1 } });
    expect((await deleteOwner('c')).status).toBe(204);
    expect(await verify(key.secret)).toMatchObject({ code: 'REVOKED', owner: 'c', ownerMetadata: {} });
    expect(await problemCode(api('GET', pathTo('c')))).toBe('owner_not_found');
    await createOwner({ id: 'c', metadata: { a: 2 } });
    expect(await verify(key.secret)).toMatchObject({ ownerMetadata: { a: 2 } });
  });

  it('succeeds when a large owner was revoked a moment ago', async () => {
    const keys = Array.from({ length: 203 }, () => ({ name: 'k', owner: 'large' }));
    await api('POST', `/tenants/${tenant}/keys/bulk`, { keys });
    expect(await problemCode(deleteOwner('large'))).toBe('owner_has_keys');
    await api('POST', `/tenants/${tenant}/keys/revoke`, { owner: 'large' });
    expect((await deleteOwner('large')).status).toBe(204);
    await runAlarm(tenant);
    expect(await problemCode(api('GET', pathTo('large')))).toBe('owner_not_found');
  });

  it('is refused when more keys have ended without a revocation than can be looked at', async () => {
    const keys = Array.from({ length: 201 }, () => ({ name: 'k', owner: 'large', expiresAt: at(START + 1000) }));
    await api('POST', `/tenants/${tenant}/keys/bulk`, { keys });
    advance(1000);
    expect(await problemCode(deleteOwner('large'))).toBe('owner_has_keys');
    await api('POST', `/tenants/${tenant}/keys/revoke`, { owner: 'large' });
    expect((await deleteOwner('large')).status).toBe(204);
  });

  it('does not keep an expired key from living again, which makes the owner anew', async () => {
    const key = await createKey(tenant, { owner: 'c', expiresAt: at(START + 1000) });
    await patchOwner('c', { name: 'before' });
    advance(1000);
    expect((await deleteOwner('c')).status).toBe(204);
    await updateKey(tenant, key.id, { name: 'still expired' });
    expect(await problemCode(api('GET', pathTo('c')))).toBe('owner_not_found');
    await updateKey(tenant, key.id, { expiresAt: null });
    expect(await getOwner('c')).toMatchObject({ name: null, enabled: true, version: 1 });
    await deleteKey(tenant, key.id);
    expect((await deleteOwner('c')).status).toBe(204);
  });
});

describe('permissions', () => {
  it('let auditors read and operators write, and need no owners:write to name an owner in a key', async () => {
    const { secret: auditor } = await managementKey({ role: 'auditor' });
    const { secret: operator } = await managementKey({ role: 'operator', tenantId: tenant });
    const { secret: creator } = await managementKey({ permissions: ['keys:create'] });
    expect(outcomeOf(await createOwner({ id: 'c' }, as(auditor)))).toBe('403 forbidden owners:write');
    expect(outcomeOf(await createOwner({ id: 'c' }, as(operator)))).toBe('201');
    expect(outcomeOf(await api('GET', pathTo('c'), undefined, as(auditor)))).toBe('200');
    expect(outcomeOf(await patchOwner('c', { enabled: false }, as(creator)))).toBe('403 forbidden owners:write');
    const created = await api('POST', `/tenants/${tenant}/keys`, { name: 'k', owner: 'new' }, as(creator));
    expect(outcomeOf(created)).toBe('201');
    expect(await getOwner('new')).toMatchObject({ createdBy: { type: 'management_key' } });
    expect(outcomeOf(await api('GET', owners(), undefined, as(creator)))).toBe('403 forbidden owners:read');
  });
});
