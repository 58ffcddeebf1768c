/** The description as it is served, and its examples, sent to a Worker. */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { QUIET_MS } from '../../domain/usage/pending-usage.ts';
import { operations } from '../../src/api/all-operations.ts';
import { describeApi } from '../../src/api/openapi/document.ts';
import { EXAMPLES } from '../../src/api/openapi/examples.ts';
import { renderPage, STYLE } from '../../src/api/openapi/page.ts';
import { VERSION } from '../../src/version.ts';
import { problemIn, send } from '../http/client.ts';
import { api } from '../support/api.ts';

const anonymous = { headers: { Authorization: '' } };

describe('the description', () => {
  it('is served to anybody, as the program makes it', async () => {
    const response = await send('GET', '/openapi.json', anonymous);
    expect(await response.json()).toEqual(JSON.parse(JSON.stringify(describeApi(operations, VERSION))));
    expect((await send('HEAD', '/openapi.json', anonymous)).status).toBe(200);
    await problemIn(await send('POST', '/openapi.json', anonymous), 'method_not_allowed');
  });

  it('is served also when the deployment is misconfigured', async () => {
    const broken = { ...env, ENCRYPTION_KEY: 'x' };
    expect((await send('GET', '/openapi.json', { env: broken })).status).toBe(200);
    await problemIn(await send('GET', '/docs', { env: broken }), 'misconfigured');
  });

  it('is a page without scripts and without anything from elsewhere', async () => {
    const response = await send('GET', '/docs', anonymous);
    const page = await response.text();
    expect(page).not.toMatch(/<script|<link|<img|<iframe|\son\w+=|\sstyle=|url\(|@import|https?:\/\//i);
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page) ?? [];
    expect(style).toBe(STYLE);
    const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style)));
    const policy = response.headers.get('Content-Security-Policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain(`style-src 'sha256-${btoa(String.fromCharCode(...hash))}'`);
    expect(policy).not.toContain('unsafe');
  });

  it('is a page that shows every operation and schema, with links that lead somewhere', async () => {
    const page = await (await send('GET', '/docs', anonymous)).text();
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const { components } = describeApi(operations, VERSION);
    expect(ids).toEqual(expect.arrayContaining(operations.map(({ id }) => id)));
    expect(ids).toEqual(expect.arrayContaining(Object.keys(components.schemas).map((name) => `schema-${name}`)));
    for (const [, target] of page.matchAll(/href="#([^"]+)"/g)) expect(ids).toContain(target);
  });

  it('is a page in which texts are texts', async () => {
    const described = describeApi(operations, '<b>1</b>');
    expect(await renderPage(described)).toContain('Version &lt;b&gt;1&lt;/b&gt;');
  });

  it('is no page where the operator has switched it off', async () => {
    await problemIn(await send('GET', '/docs', { env: { ...env, DOCS: 'off' } }), 'not_found');
    expect((await send('GET', '/docs', { env: { ...env, DOCS: '' } })).status).toBe(200);
    await problemIn(await send('GET', '/docs', { env: { ...env, DOCS: 'no' } }), 'misconfigured');
  });
});

/** What must have happened before an example, by the ids of operations whose examples are sent first. */
const USUAL = ['tenants.create', 'plans.create', 'owners.create', 'keys.create'];
const BEFORE: Readonly<Record<string, readonly string[]>> = {
  'tenants.create': [],
  'plans.create': ['tenants.create'],
  'plans.delete': ['tenants.create', 'plans.create'],
  'owners.create': ['tenants.create', 'plans.create'],
  'owners.delete': ['tenants.create', 'plans.create', 'owners.create'],
  'rotations.list': [...USUAL, 'keys.rotate'],
  'rotations.complete': [...USUAL, 'keys.rotate'],
  'rotations.cancel': [...USUAL, 'keys.rotate'],
  'managementKeys.list': ['tenants.create', 'managementKeys.create'],
  'managementKeys.get': ['tenants.create', 'managementKeys.create'],
  'managementKeys.rotate': ['tenants.create', 'managementKeys.create'],
  'managementKeys.revoke': ['tenants.create', 'managementKeys.create'],
  'keys.changeCredits': [...USUAL, 'keys.update'],
  'limits.check': ['tenants.create', 'tenants.update'],
  'usage.read': [...USUAL, 'keys.verify'],
  'leases.renew': ['tenants.create', 'keys.create', 'keys.verify'],
  'cleanup.list': [...USUAL, 'cleanup.run'],
  'audit.listOfDeployment': ['tenants.create', 'tenants.delete'],
};

const withSecret = v.object({ id: v.string(), secret: v.string() });

describe('the examples', () => {
  it.each(operations.map(({ id }, index) => [id, `acme-${index}`]))(
    'are what a Worker answers: %s',
    async (id = '', tenantId = '') => {
      // What examples say, and what stands for it in this run.
      const names = new Map<string, string>([['acme', tenantId]]);
      const inThisRun = (text: string) =>
        [...names].reduce((result, [name, real]) => result.replaceAll(new RegExp(`\\b${name}\\b`, 'g'), real), text);
      const ask = async (step: string) => {
        const operation = operations.find((one) => one.id === step);
        if (operation === undefined) throw new Error(`no operation ${step}`);
        const { method, path, response } = operation;
        const example = EXAMPLES[step] ?? {};
        const keyId = path.includes('management-keys') ? 'managementKeys.create' : 'keys.create';
        const values: Readonly<Record<string, string>> = {
          tenantId: 'acme',
          keyId: v.parse(v.object({ id: v.string() }), EXAMPLES[keyId]?.response).id,
          ownerId: 'customer-17',
          planId: 'gold',
        };
        const place = path.replace('/v1', '').replaceAll(/:(\w+)/g, (_, name: string) => values[name] ?? name);
        const body = example.request === undefined ? undefined : JSON.parse(inThisRun(JSON.stringify(example.request)));
        // The only operations that have no body and take texts that are not in the path.
        const asGateway =
          operation.sender === 'gateway'
            ? {
                query: operation.request.queryHeader === undefined ? '?scopes=invoices:read' : '',
                headers: {
                  'X-Keystead-Token': env.ADMIN_TOKEN ?? '',
                  'X-Keystead-Query': 'scopes=invoices:read',
                  Authorization: `Bearer ${inThisRun(v.parse(withSecret, EXAMPLES['keys.create']?.response).secret)}`,
                },
              }
            : { query: '', headers: {} };
        const isList = v.is(v.object({ page: v.unknown() }), example.response);
        const { query, headers } = asGateway;
        const answer = await api(method, `${inThisRun(place)}${isList ? '?limit=100' : query}`, body, headers);
        expect(answer.status, JSON.stringify(answer.body)).toBe(response.status);
        const [made, shown] = [v.safeParse(withSecret, answer.body), v.safeParse(withSecret, example.response)];
        if (made.success && shown.success) {
          names.set(shown.output.id, made.output.id).set(shown.output.secret, made.output.secret);
        }
        return { answer: answer.body, shown: example.response };
      };

      for (const step of BEFORE[id] ?? USUAL) await ask(step);
      // Usage is written when a key was not used for a while.
      if (id === 'usage.read') await scheduler.wait(QUIET_MS + 500);
      const { answer, shown } = await ask(id);
      const [real, expected] = [comparable(answer), comparable(shown, inThisRun)];
      const list = v.safeParse(v.object({ data: v.tuple([v.unknown()]), page: v.unknown() }), expected);
      // Other tests have made items too.
      if (list.success) expect(real).toMatchObject({ data: expect.arrayContaining([list.output.data[0]]) });
      // Numbers of the service, of which an example shows the first.
      else if (typeof expected === 'string') expect(real).toContain(expected.slice(0, expected.indexOf('{')));
      else expect(real).toEqual(expected);
    },
  );
});

/** A body without what differs from run to run. */
function comparable(body: unknown, inThisRun = (text: string) => text): unknown {
  if (body === undefined) return undefined;
  const text = inThisRun(JSON.stringify(body))
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/\b(key|rot)_[0-9A-Za-z]{17}\b/g, '<$1 id>')
    .replaceAll(/"[a-z]+_[0-9A-Za-z]{92}"/g, '"<key string>"')
    .replaceAll(/_\.\.\.[0-9A-Za-z]{4}/g, '_...<four>')
    .replaceAll(/"(requestId|id)":"(?:req_|op_|cleanup_|checkout-)[^"]*"/g, '"$1":"<some>"')
    .replaceAll(/"(durationMs|seq|from|leaseMs|now)":\d+/g, '"$1":0')
    .replaceAll(/"epoch":"[^"]*"/g, '"epoch":"<epoch>"');
  return JSON.parse(text);
}
