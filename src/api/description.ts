/**
 * What programs and people are told of an operation. Made from its entry alone, so it cannot drift from what the
 * operation does.
 */
import type { OperationDescription } from './operation.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';

/** Problems that any request may meet. */
const COMMON: readonly ProblemCode[] = [
  'invalid_host',
  'unauthenticated',
  'forbidden',
  'internal_error',
  'unavailable',
  'misconfigured',
];
const OF_A_BODY: readonly ProblemCode[] = ['invalid_json', 'payload_too_large', 'unsupported_media_type'];

/** Every problem that the operation may answer with, by status. */
export function problemsOf({ changes, grows, request, errors }: OperationDescription): readonly ProblemCode[] {
  const hasBody = request.body !== undefined;
  const codes = new Set<ProblemCode>([
    ...COMMON,
    ...Object.values(request.path).map(({ otherwise }) => otherwise),
    ...(hasBody ? OF_A_BODY : []),
    // Of the query, the body, and the headers that changes take.
    ...(hasBody || changes || request.query !== undefined ? (['validation_failed'] as const) : []),
    ...(changes ? (['idempotency_key_reused'] as const) : []),
    ...(grows ? (['storage_full'] as const) : []),
    ...errors,
  ]);
  return [...codes].sort((a, b) => PROBLEMS[a].status - PROBLEMS[b].status);
}

/** An operation, as far as it can be told without schemas. */
export function describe(operation: OperationDescription) {
  const { id, summary, method, path, permission, confined, changes, request, response } = operation;
  return {
    ...{ id, summary, method, path, permission, changes },
    forConfinedCallers: confined === 'allowed',
    parameters: Object.keys(request.path),
    takesQuery: request.query !== undefined,
    takesBody: request.body !== undefined,
    status: response.status,
    problems: problemsOf(operation).map((code) => ({ code, status: PROBLEMS[code].status })),
  };
}
