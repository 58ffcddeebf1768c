/** Runs the model's commands against the real service over HTTP, and reads the service's state in the model's terms. */
import * as v from 'valibot';
import { keyResource, keyWithSecret, rotationResult } from '../../src/schemas/keys.ts';
import { api, verify, walk } from '../support/api.ts';
import type { Command, Model, ModelKey, Observation } from './model.ts';
import { statusOf } from './model.ts';

/** Names of keys in commands stand for ids and secrets that only the run knows. */
export type Run = { tenantId: string; secrets: Map<string, string> };

export type Executed = { observation: Observation; born: string };

const problem = v.object({ code: v.string() });
const isoIn = (ms: number | null) => (ms === null ? null : new Date(Date.now() + ms).toISOString());

/** Sends one command. `born` is the id of the key that it made, if it made one. */
export async function execute(run: Run, command: Command): Promise<Executed> {
  if (command.type === 'verify') {
    const { code } = await verify(run.secrets.get(command.key) ?? '');
    return { observation: { status: 200, code }, born: '' };
  }
  const { status, body } = await send(run.tenantId, command);
  if (status >= 400) return { observation: { status, code: v.parse(problem, body).code }, born: '' };
  const made =
    command.type === 'create'
      ? v.parse(keyWithSecret, body)
      : command.type === 'rotate'
        ? v.parse(rotationResult, body).key
        : undefined;
  if (made !== undefined) run.secrets.set(made.id, made.secret);
  return { observation: { status }, born: made?.id ?? '' };
}

function send(tenantId: string, command: Exclude<Command, { type: 'verify' }>) {
  const keys = `/tenants/${tenantId}/keys`;
  switch (command.type) {
    case 'create': {
      const { name, owner, enabled, expiresIn } = command;
      return api('POST', keys, { name, owner, enabled, expiresAt: isoIn(expiresIn) });
    }
    case 'rotate': {
      const expiry = command.expiresIn === undefined ? {} : { expiresAt: isoIn(command.expiresIn) };
      return api('POST', `${keys}/${command.key}/rotate`, { gracePeriodSeconds: command.grace / 1000, ...expiry });
    }
    case 'revoke':
      return api('POST', `${keys}/${command.key}/revoke`);
    case 'patch': {
      const { type: _type, key, expiresIn, ...fields } = command;
      const expiry = expiresIn === undefined ? {} : { expiresAt: isoIn(expiresIn) };
      return api('PATCH', `${keys}/${key}`, { ...fields, ...expiry });
    }
    case 'delete':
      return api('DELETE', `${keys}/${command.key}`);
  }
}

/** What the service says about all keys, in the model's terms. */
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
        status: key.status,
      },
    ]),
  );
}

/** The model's state as `observe` would show it. */
export function expected(model: Model, now: number): Map<string, ModelKey & { status: string }> {
  return new Map([...model.keys].map(([id, key]) => [id, { ...key, status: statusOf(key, now) }]));
}
