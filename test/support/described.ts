/** Holds each response that a test gets against the description of its operation: status, shape and problem code. */
import * as v from 'valibot';
import { operations } from '../../src/api/all-operations.ts';
import { problemsOf } from '../../src/api/description.ts';
import type { OperationDescription } from '../../src/api/operation.ts';
import { PATH_LENGTH_MAX } from '../../src/http/route-table.ts';

const PATTERNS = operations.map(
  (operation) => [new RegExp(`^${operation.path.replaceAll(/:\w+/g, '[^/]+')}$`), operation] as const,
);

/** The operation that a request to this path (without the query) asks for, null for none. */
export function operationAt(method: string, path: string): OperationDescription | null {
  // Longer paths lead nowhere.
  if (path.length > PATH_LENGTH_MAX) return null;
  const wanted = method === 'HEAD' ? 'GET' : method;
  return PATTERNS.find(([pattern, operation]) => operation.method === wanted && pattern.test(path))?.[1] ?? null;
}

const anyProblem = v.object({ code: v.string() });

/** Throws when the description does not allow the response. `body` is the parsed JSON, undefined for none. */
function expectDescribed(method: string, pathAndQuery: string, status: number, body: unknown): void {
  const operation = operationAt(method, pathAndQuery.split('?')[0] ?? '');
  if (operation === null || method === 'HEAD') return;
  const { response } = operation;
  if (status >= 400) {
    const { code } = v.parse(anyProblem, body);
    const allowed: readonly string[] = problemsOf(operation);
    if (!allowed.includes(code)) throw new Error(`${operation.id} does not tell of the problem ${code}`);
  } else {
    if (status !== response.status) throw new Error(`${operation.id} answers ${response.status}, not ${status}`);
    if (response.body !== null) v.parse(response.body, body);
    else if (body !== undefined) throw new Error(`${operation.id} has no body`);
  }
}

/** The parsed body of a response, undefined for none, once the description allows the response. */
export async function describedBody(method: string, pathAndQuery: string, response: Response): Promise<unknown> {
  const text = await response.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  expectDescribed(method, pathAndQuery, response.status, body);
  return body;
}
