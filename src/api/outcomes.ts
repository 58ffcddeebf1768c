/** Turns the result of an object into the outcome of an operation. */
import type { Failure, Mutated } from '../../domain/outcome.ts';
import type { ListDescription } from '../crypto/cursor.ts';
import type { Outcome } from './operation.ts';
import { unwrap } from './problems.ts';
import type { RequestContext } from './request-context.ts';

/** Whether this is the kept result of an earlier request. */
export const isReplayed = (result: Mutated<unknown, unknown>): boolean => result.replay !== undefined;

/** The outcome of a change: the object's value, in the shape of the response. A failure is thrown as its problem. */
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

/** The outcome of a list by cursor. `next` is the position where the next page starts, null when there is none. */
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
