/** A client that sends requests byte for byte, for cases that the typed shortcuts of the other tests cannot express. */
import { env } from 'cloudflare:workers';
import * as v from 'valibot';
import { expect, vi } from 'vitest';
import { operations } from '../../src/api/all-operations.ts';
import type { Operation } from '../../src/api/operation.ts';
import { PROBLEMS, type ProblemCode } from '../../src/api/problems.ts';
import type { Env } from '../../src/env.ts';
import { handle } from '../../src/router.ts';
import { describedBody } from '../support/described.ts';

export type RawRequest = {
  readonly body?: string | Uint8Array | ReadableStream;
  /** Added to the administrator's token and the JSON content type, or replacing them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly env?: Env;
};

/**
 * Sends one request to a Worker with the test's environment or a given one, as the administrator and in JSON unless
 * `headers` say otherwise.
 */
export async function send(
  method: string,
  path: string,
  { body, headers, env: other }: RawRequest = {},
): Promise<Response> {
  const usual = { Authorization: `Bearer ${env.ADMIN_TOKEN}`, 'Content-Type': 'application/json' };
  const request = new Request(`http://keystead.test${path}`, {
    method,
    headers: { ...usual, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  const response = await handle(request, other ?? env);
  await describedBody(method, path, response.clone());
  return response;
}

export const sendJson = (method: string, path: string, body: unknown, raw: RawRequest = {}) =>
  send(method, path, { ...raw, body: JSON.stringify(body) });

/** Every member that a problem document may have. */
const problemDocument = v.strictObject({
  type: v.string(),
  title: v.string(),
  status: v.number(),
  detail: v.string(),
  code: v.string(),
  requestId: v.string(),
  errors: v.exactOptional(v.array(v.strictObject({ path: v.string(), message: v.string() }))),
  permission: v.exactOptional(v.string()),
  keyStatus: v.exactOptional(v.string()),
  replacedBy: v.exactOptional(v.string()),
  ids: v.exactOptional(v.array(v.string())),
  duplicates: v.exactOptional(v.array(v.strictObject({ index: v.number(), keyId: v.exactOptional(v.string()) }))),
});

/** Checks that a response is the given problem (status, content type and every member) and returns it. */
export async function problemIn(response: Response, code: ProblemCode) {
  const problem = v.parse(problemDocument, await response.json());
  const { status, title } = PROBLEMS[code];
  expect(problem).toMatchObject({ type: `urn:keystead:problem:${code}`, title, status, code });
  expect(response.status).toBe(status);
  expect(response.headers.get('Content-Type')).toBe('application/problem+json');
  return problem;
}

/** The errors of a 422, one line for each entry of `errors`. */
export async function complaintsIn(response: Response): Promise<string[]> {
  const { errors = [] } = await problemIn(response, 'validation_failed');
  return errors.map(({ path, message }) => `${path}: ${message}`);
}

/** A path of the route, with a tenant and a key that do not exist. */
export const pathOf = (route: Pick<Operation, 'path'>) =>
  route.path.replace(':tenantId', 'nobody').replace(':keyId', 'key_00000000000000000').replaceAll(/:\w+/g, 'x');

/** The methods that routes have for the path. */
export function methodsAt(path: string): string[] {
  const segments = path.split('/');
  const isAt = (route: Pick<Operation, 'path'>) => {
    const pattern = route.path.split('/');
    return pattern.length === segments.length && pattern.every((part, i) => part[0] === ':' || part === segments[i]);
  };
  return [...new Set(operations.filter(isAt).flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
}

/** Silences the log and collects its lines until `vi.restoreAllMocks()`. */
export function logged(): string[] {
  const lines: string[] = [];
  vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(String(line)));
  return lines;
}
