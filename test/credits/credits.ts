/** Shortcuts for tests of credits. */
import * as v from 'valibot';
import { expect } from 'vitest';
import { ownerResource } from '../../src/api/owners/schemas.ts';
import { api, verify } from '../support/api.ts';

export type Operation = 'set' | 'increment' | 'decrement';

/** Path of a key or an owner. */
export const key = (tenantId: string, id: string) => `/tenants/${tenantId}/keys/${id}`;
export const owner = (tenantId: string, id: string) => `/tenants/${tenantId}/owners/${encodeURIComponent(id)}`;

/** Changes a balance. */
export const change = (path: string, operation: Operation, amount: number, headers: Record<string, string> = {}) =>
  api('POST', `${path}/credits`, { operation, amount }, headers);

/** What a response says of credits. */
const withCredits = v.looseObject({ credits: v.nullable(v.looseObject({ remaining: v.number() })) });
export const creditsIn = ({ body }: { readonly body: unknown }) => v.parse(withCredits, body).credits;

/** The balance of a key or an owner; null without credits. */
export async function balance(path: string): Promise<number | null> {
  return creditsIn(await api('GET', path))?.remaining ?? null;
}

/** Code of a verification and what remains of the credits. */
export async function spend(secret: string, cost = 1): Promise<string> {
  const { code, credits } = await verify(secret, { cost });
  return credits === undefined ? code : `${code} ${credits.remaining}`;
}

export async function createOwner(tenantId: string, input: object) {
  const { status, body } = await api('POST', `/tenants/${tenantId}/owners`, input);
  expect(status, JSON.stringify(body)).toBe(201);
  return v.parse(ownerResource, body);
}
