/** Runs the model's commands against the real service over HTTP, and reads the service's state in the model's terms. */
import * as v from 'valibot';
import { expect } from 'vitest';
import { importedKeys } from '../../src/api/keys/import-schemas.ts';
import { bulkKeys, keyResource, keyWithSecret, rotationResult } from '../../src/api/keys/schemas.ts';
import { ownerResource } from '../../src/api/owners/schemas.ts';
import { type ApiResponse, api, verify, walk } from '../support/api.ts';
import { hashOf } from '../support/foreign-keys.ts';
import type { Command, Model, ModelKey, ModelOwner, Mutation, NewKey, Observation } from './model.ts';
import { statusOf } from './model.ts';

type Request = { method: string; path: string; body?: unknown; headers: Record<string, string> };

/** The names of keys in commands stand for ids and secrets that only the run knows. */
export type Run = {
  tenantId: string;
  secrets: Map<string, string>;
  /** Requests with an `Idempotency-Key`, and the first response to each. */
  kept: { request: Request; response: ApiResponse }[];
};

export type Executed = { observation: Observation; born: string[] };

const problem = v.object({ code: v.string() });
const revocation = v.object({ revoked: v.number() });
const isoIn = (ms: number | null) => (ms === null ? null : new Date(Date.now() + ms).toISOString());

let idempotencyKeys = 0;

/** Key strings that were issued elsewhere start like this. No two are the same. */
const FOREIGN = 'foreign ';
let foreignKeys = 0;

/**
 * Sends one command. `twice` sends it two times at once under one `Idempotency-Key`, which must have the effect of one.
 * `born` are the ids of the keys that it made.
 */
export async function execute(run: Run, command: Command, twice = false): Promise<Executed> {
  if (command.type === 'verify') {
    const secret = run.secrets.get(command.key) ?? '';
    const { code } = await verify(secret, secret.startsWith(FOREIGN) ? { tenantId: run.tenantId } : {});
    return { observation: { status: 200, code }, born: [] };
  }
  const texts: string[] = [];
  if (command.type === 'import') for (const _ of command.keys) texts.push(`${FOREIGN}${++foreignKeys}`);
  const hashes = await Promise.all(texts.map((text) => hashOf(text)));
  const request = requestFor(run.tenantId, command, hashes);
  const { status, body } = twice ? await sendTwice(run, request) : await send(request);
  if (status >= 400) return { observation: { status, code: v.parse(problem, body).code }, born: [] };
  if (command.type === 'revokeIds' || command.type === 'revokeOwner') {
    return { observation: { status, revoked: v.parse(revocation, body).revoked }, born: [] };
  }
  const made = madeBy(command, body, texts);
  for (const { id, secret } of made) run.secrets.set(id, secret);
  return { observation: { status }, born: made.map(({ id }) => id) };
}

/** Repeats a request that got a response before. It must get that response again, whatever has happened since. */
export async function repeat(run: Run, position: number): Promise<void> {
  const kept = run.kept.length === 0 ? undefined : run.kept[position % run.kept.length];
  if (kept === undefined) return;
  const again = await send(kept.request);
  expect(saidIn(again), JSON.stringify(kept.request)).toEqual(saidIn(kept.response));
  expect(isReplay(again)).toBe(true);
}

async function sendTwice(run: Run, request: Request): Promise<ApiResponse> {
  idempotencyKeys += 1;
  const keyed = { ...request, headers: { ...request.headers, 'Idempotency-Key': `key-${idempotencyKeys}` } };
  const [first, second] = await Promise.all([send(keyed), send(keyed)]);
  expect(saidIn(second), JSON.stringify(request)).toEqual(saidIn(first));
  expect([isReplay(first), isReplay(second)].sort()).toEqual([false, true]);
  run.kept.push({ request: keyed, response: first });
  return first;
}

/** The content of a response. The id of the request is left out of a problem, because a repetition has another one. */
function saidIn({ status, body }: ApiResponse): unknown {
  return [status, typeof body === 'object' && body !== null ? { ...body, requestId: undefined } : body];
}

const send = ({ method, path, body, headers }: Request) => api(method, path, body, headers);
const isReplay = ({ headers }: ApiResponse) => headers.get('Idempotency-Replayed') === 'true';

function madeBy(command: Mutation, body: unknown, texts: readonly string[]): { id: string; secret: string }[] {
  if (command.type === 'import') {
    return v.parse(importedKeys, body).data.map(({ id }, i) => ({ id, secret: texts[i] ?? '' }));
  }
  if (command.type === 'create') return [v.parse(keyWithSecret, body)];
  if (command.type === 'createMany') return v.parse(bulkKeys, body).data;
  return command.type === 'rotate' ? [v.parse(rotationResult, body).key] : [];
}

function requestFor(tenantId: string, command: Mutation, hashes: readonly object[]): Request {
  const keys = `/tenants/${tenantId}/keys`;
  const headers: Record<string, string> =
    'ifVersion' in command && command.ifVersion !== undefined ? { 'If-Match': `"${command.ifVersion}"` } : {};
  const post = (path: string, body?: unknown) => ({ method: 'POST', path: keys + path, body, headers });
  switch (command.type) {
    case 'create':
      return post('', newKey(command));
    case 'createMany':
      return post('/bulk', { keys: command.keys.map(newKey) });
    case 'import':
      return post('/import', { keys: command.keys.map((key, i) => ({ ...newKey(key), hash: hashes[i] })) });
    case 'revokeIds':
      return post('/revoke', { ids: command.keys });
    case 'revokeOwner':
      return post('/revoke', { owner: command.owner });
    case 'createOwner': {
      const { owner, enabled } = command;
      return { method: 'POST', path: `/tenants/${tenantId}/owners`, body: { id: owner, enabled }, headers };
    }
    case 'patchOwner': {
      const { type: _type, owner, ...fields } = command;
      return { method: 'PATCH', path: `/tenants/${tenantId}/owners/${owner}`, body: fields, headers };
    }
    case 'deleteOwner':
      return { method: 'DELETE', path: `/tenants/${tenantId}/owners/${command.owner}`, headers };
    case 'rotate':
      return post(`/${command.key}/rotate`, { gracePeriodSeconds: command.grace / 1000, ...expiry(command.expiresIn) });
    case 'complete':
    case 'cancel':
      return post(`/${command.key}/rotation/${command.type}`);
    case 'revoke':
      return post(`/${command.key}/revoke`, { lineage: command.lineage });
    case 'patch': {
      const { type: _type, key, expiresIn, ifVersion: _ifVersion, ...fields } = command;
      return { method: 'PATCH', path: `${keys}/${key}`, body: { ...fields, ...expiry(expiresIn) }, headers };
    }
    case 'delete':
      return { method: 'DELETE', path: `${keys}/${command.key}`, headers };
  }
}

function newKey({ name, owner, enabled, expiresIn }: NewKey) {
  return { name, owner, enabled, expiresAt: isoIn(expiresIn) };
}

function expiry(expiresIn: number | null | undefined): { expiresAt?: string | null } {
  return expiresIn === undefined ? {} : { expiresAt: isoIn(expiresIn) };
}

/** The state of all keys as the service reports it, in the model's terms. */
export async function observe(tenantId: string): Promise<Map<string, ModelKey & { status: string }>> {
  const ms = (time: string | null) => (time === null ? null : Date.parse(time));
  const rows = (await walk(`/tenants/${tenantId}/keys?limit=7&order=asc`)).map((row) => v.parse(keyResource, row));
  return new Map(
    rows.map((key) => [
      key.id,
      {
        name: key.name,
        owner: key.owner,
        scopes: key.scopes,
        enabled: key.enabled,
        expiresAt: ms(key.expiresAt),
        revokedAt: ms(key.revokedAt),
        replaces: key.rotation.replaces,
        replacedBy: key.rotation.replacedBy,
        graceEndsAt: ms(key.rotation.graceEndsAt),
        version: key.version,
        status: key.status,
      },
    ]),
  );
}

/** All owners as the service lists them, by id. */
export async function observeOwners(tenantId: string): Promise<Map<string, ModelOwner>> {
  const rows = (await walk(`/tenants/${tenantId}/owners?limit=1`)).map((row) => v.parse(ownerResource, row));
  return new Map(rows.map(({ id, name, enabled, version }) => [id, { name, enabled, version }]));
}

/** The model's state in the form that `observe` returns. */
export function expected(model: Model, now: number): Map<string, ModelKey & { status: string }> {
  return new Map([...model.keys].map(([id, key]) => [id, { ...key, status: statusOf(key, now) }]));
}
