/**
 * Logs: one JSON object a line. An error is told by its class and where it was thrown; its message stays out, because messages of parsers and
 * databases quote what they were given. Paths stay out too: a route is told by its pattern, since anything may stand in a path.
 */
import { logEvent } from '../../durable-objects/log.ts';

/** What a request's line says beside its level and event. Never anything that a caller sent, but for ids of a checked form. */
export type RequestLog = {
  readonly requestId: string;
  method: string;
  route: string | null;
  status: number;
  /** Code of the problem, null for none. */
  code: string | null;
  tenant: string | null;
  caller: string | null;
  /** What a verification answered, and the key that it found; undefined, so not written, where there is none. */
  verification?: string | undefined;
  keyId?: string | undefined;
  durationMs: number;
  objectCalls: number;
};

/** One line for each request: failures of ours as errors, everything else as information. */
export function logRequest(request: RequestLog): void {
  logEvent(request.status >= 500 ? 'error' : 'info', 'request', request);
}
