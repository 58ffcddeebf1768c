/**
 * What a limit was, by the times at which its changes were sent and answered. From when a change is sent until it is
 * answered both the limit of before and the new one may be in force.
 *
 * Pure: times are passed in (ms).
 */
type Span = { readonly limit: number; readonly from: number; until: number };

export class LimitHistory {
  readonly #spans: Span[];

  constructor(limit: number) {
    this.#spans = [{ limit, from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY }];
  }

  /** A change was sent. Changes of one limit are sent one after the other. */
  sent(limit: number, at: number): void {
    this.#spans.push({ limit, from: at, until: Number.POSITIVE_INFINITY });
  }

  /** The change that was sent last was answered. One without an answer leaves open which limit is in force. */
  answered(at: number): void {
    for (const span of this.#spans.slice(0, -1)) span.until = Math.min(span.until, at);
  }

  /** The highest limit that may have been in force at a moment of this interval. */
  most(from: number, to: number): number {
    let most = 0;
    for (const span of this.#spans) if (span.from <= to && span.until >= from) most = Math.max(most, span.limit);
    return most;
  }

  /** The lowest limit that may have been in force then. */
  least(at: number): number {
    let least = Number.POSITIVE_INFINITY;
    for (const span of this.#spans) if (span.from <= at && span.until >= at) least = Math.min(least, span.limit);
    return least;
  }
}
