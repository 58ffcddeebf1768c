/** The problems of an operation. They follow from its entry, so they cannot drift from what the operation does. */
import type { OperationDescription } from './operation.ts';
import { PROBLEMS, type ProblemCode } from './problems.ts';
import type { Sender } from './senders.ts';

/** Problems that any request may meet. */
const COMMON: readonly ProblemCode[] = ['invalid_host', 'internal_error', 'unavailable', 'misconfigured'];
/** Problems of the sender's own part: who it is and what it may do, and its values. */
const OF_A_SENDER = {
  caller: { always: ['unauthenticated', 'forbidden'], values: ['validation_failed'] },
  gateway: { always: ['gateway_misconfigured'], values: [] },
} as const satisfies Record<Sender, { always: readonly ProblemCode[]; values: readonly ProblemCode[] }>;

const OF_A_BODY: readonly ProblemCode[] = ['invalid_json', 'payload_too_large', 'unsupported_media_type'];

/** Every problem that the operation may answer with, by status. */
export function problemsOf({ sender, changes, grows, request, errors }: OperationDescription): readonly ProblemCode[] {
  const hasBody = request.body !== undefined;
  const codes = new Set<ProblemCode>([
    ...COMMON,
    ...OF_A_SENDER[sender].always,
    ...Object.values(request.path).flatMap(({ isRest, otherwise }) => (isRest ? [] : [otherwise])),
    ...(hasBody ? OF_A_BODY : []),
    // Of the query, the body, and the headers that changes take.
    ...(hasBody || changes || request.query !== undefined ? OF_A_SENDER[sender].values : []),
    ...(changes ? (['idempotency_key_reused'] as const) : []),
    ...(grows ? (['storage_full'] as const) : []),
    ...errors,
  ]);
  return [...codes].sort((a, b) => PROBLEMS[a].status - PROBLEMS[b].status);
}
