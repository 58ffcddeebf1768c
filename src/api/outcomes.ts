/** From an object's answer to a response: failures to problems, kept answers marked as replayed. */
import type { Failure, Mutated, Result } from '../../domain/outcome.ts';
import { type Answer, withHeader } from '../http/answer.ts';
import { problemOf } from '../http/problem.ts';

const REPLAYED = 'Idempotency-Replayed';

/** The value of an object's answer; a failure goes its way to the caller as a problem. */
export function unwrap<T>(result: Mutated<T, Failure>, inBulk = false): T {
  if (result.ok) return result.value;
  const problem = problemOf(result.failure, inBulk);
  throw result.replay === undefined ? problem : problem.withHeader(REPLAYED, 'true');
}

/** Marks a response that repeats a kept answer. */
export function marked(answer: Answer, result: Result<unknown, unknown> & Pick<Mutated<unknown>, 'replay'>): Answer {
  return result.replay === undefined ? answer : withHeader(answer, REPLAYED, 'true');
}
