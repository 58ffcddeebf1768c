/**
 * The log line of a request. It names the route by its pattern and leaves out the path, since a caller may put
 * anything, even a key string, into a path.
 */
import { logEvent } from '../../durable-objects/log.ts';

/** The fields of the line beside time, level and event. Of what a caller sent they hold only ids of a checked form. */
export type RequestLog = {
  readonly requestId: string;
  method: string;
  route: string | null;
  status: number;
  /** Code of the problem, null without one. */
  code: string | null;
  tenant: string | null;
  caller: string | null;
  /** Code of a verification, and the id of the key that it found. Undefined, so not written, for other operations. */
  verification?: string | undefined;
  keyId?: string | undefined;
  /** The trace that the request belongs to, and the span of its caller (`traceparent`); undefined for none. */
  readonly traceId?: string | undefined;
  readonly parentSpanId?: string | undefined;
  durationMs: number;
  objectCalls: number;
};

/** Writes the line: as an error for a 5xx, otherwise as information. */
export function logRequest(request: RequestLog): void {
  logEvent(request.status >= 500 ? 'error' : 'info', 'request', request);
}
