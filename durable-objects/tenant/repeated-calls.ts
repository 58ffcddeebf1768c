/**
 * What a repeated call gets. A call is repeated by the Worker when its result was lost (`retry`), or by the caller with
 * the same `Idempotency-Key`. Either gets the first result again, and the mutation is not applied twice.
 */
import type { Failure, Mutated, PrefixMismatch, Result } from '../../domain/outcome.ts';
import type { Mutation, MutationContext } from './mutation.ts';

/** The result of a mutation that was applied before; null when it was not. */
export function knownResult<T, F>(context: MutationContext, mutation: Mutation<T, F>): Mutated<T, F | Failure> | null {
  const { store, command, now } = context;
  const { idempotency, retry, id } = command;
  if (idempotency !== null) return store.idempotency.resultOf<T, F>(command, now);
  if (!retry) return null;
  if (mutation.again !== undefined) {
    const entry = store.audit.recentEntry(id, now);
    return entry === null ? null : mutation.again(context, entry.at);
  }
  const result = store.results.find(id);
  if (result !== null) return JSON.parse(result);
  // Applied, but so many mutations ago that its result was overwritten. It must not be applied again.
  if (store.audit.recentEntry(id, now) !== null)
    throw new Error('the result of a repeated command is not kept any more');
  return null;
}

/** Keeps the result of a mutation. Without an `Idempotency-Key` only if a call that the Worker repeats needs it. */
export function keepResult(
  { store, command: { idempotency, id }, now }: MutationContext,
  result: Mutated<unknown, unknown>,
  isNeededForRetry: boolean,
): void {
  if (idempotency === null) {
    if (isNeededForRetry) store.results.keep(id, JSON.stringify(result), now);
  } else if (!NOT_KEPT.has(failureCodeOf(result))) {
    store.idempotency.keep(idempotency, id, JSON.stringify(result), now);
  }
}

/**
 * Failures that are not kept, since the same request may yet succeed: the Worker mints another prefix, the caller's
 * permissions change, or an upgrade is finished.
 */
const NOT_KEPT: ReadonlySet<unknown> = new Set([
  'prefix_mismatch',
  'would_widen',
  'outlives_caller',
  'not_for_confined',
  'owners_not_filled',
] satisfies (Failure | PrefixMismatch)['code'][]);

function failureCodeOf(result: Result<unknown, unknown>): unknown {
  if (result.ok) return null;
  const { failure } = result;
  return typeof failure === 'object' && failure !== null && 'code' in failure ? failure.code : null;
}
