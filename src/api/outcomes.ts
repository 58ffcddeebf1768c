/** From an object's result to an operation's outcome: failures become problems, kept results are marked as replayed. */
import type { Failure, Mutated, Result } from '../../domain/outcome.ts';
import type { ListDescription } from '../crypto/cursor.ts';
import type { Outcome } from './operation.ts';
import { problemOf } from './problems.ts';
import type { RequestContext } from './request-context.ts';

/** Header of a response that repeats a kept result. */
export const REPLAYED = 'Idempotency-Replayed';

/** The value of an object's result; a failure is thrown as its problem. */
export function unwrap<T>(result: Mutated<T, Failure>, inBulk = false): T {
  if (result.ok) return result.value;
  const problem = problemOf(result.failure, inBulk);
  throw result.replay === undefined ? problem : problem.withHeader(REPLAYED, 'true');
}

/** Whether a result is a kept one. */
export const isReplayed = (result: Result<unknown, unknown> & Pick<Mutated<unknown>, 'replay'>): boolean =>
  result.replay !== undefined;

/** The outcome of a change: what the object answered, in the shape of the response. */
export function changed<T, R>(result: Mutated<T, Failure>, toResource: (value: T) => R): Outcome<R> {
  return { value: toResource(unwrap(result)), replayed: isReplayed(result) };
}

/** The same for a resource that has a version. */
export function changedVersion<T extends { readonly version: number }, R>(
  result: Mutated<T, Failure>,
  toResource: (value: T) => R,
): Outcome<R> {
  return { ...changed(result, toResource), version: unwrap(result).version };
}

/** The outcome of a list: its data, and the way to the next page. */
export async function page<T>(
  context: RequestContext,
  data: T[],
  { next }: { readonly next: number | null },
  limit: number,
  list: ListDescription,
) {
  const nextCursor = await context.nextCursor(next, list);
  return {
    value: { data, page: { limit, nextCursor, hasMore: nextCursor !== null } },
    next: nextCursor === null ? null : { parameter: 'cursor' as const, value: nextCursor },
  };
}
