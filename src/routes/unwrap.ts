import type { Failure, Result } from '../../durable-objects/outcome.ts';
import { problemOf } from '../http/problem.ts';

/** The value of an object's answer; a failure goes its way to the caller as a problem. */
export function unwrap<T>(result: Result<T, Failure>): T {
  if (result.ok) return result.value;
  throw problemOf(result.failure);
}
