/** The problems of an operation. They follow from its entry, so they cannot drift from what the operation does. */
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
