/**
 * `traceparent` of the W3C Trace Context (https://www.w3.org/TR/trace-context/), by which the lines of several programs
 * about one request are found together:
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *   version, id of the trace, id of the caller's span, flags
 *
 * A later version may have more after these, which is not read. An id of zeros alone, and the version ff, are not
 * valid.
 */

export type TraceContext = {
  /** 32 hexadecimal digits: shorter than any key string, so that none is logged as one. */
  readonly traceId: string;
  /** 16 hexadecimal digits: the span of the caller. */
  readonly parentSpanId: string;
};

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:$|-)/;
/** The length of version 00. */
const LENGTH = 55;
/** Longest header that is read. */
const LENGTH_MAX = 512;

/** The trace that a request belongs to; null when it names none, or none of a valid form. */
export function traceContextOf(request: Request): TraceContext | null {
  const header = request.headers.get('traceparent');
  if (header === null || header.length > LENGTH_MAX) return null;
  const [, version, traceId, parentSpanId] = TRACEPARENT.exec(header) ?? [];
  if (traceId === undefined || parentSpanId === undefined) return null;
  return version === '00' && header.length !== LENGTH ? null : { traceId, parentSpanId };
}
