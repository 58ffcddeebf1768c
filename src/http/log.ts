/**
 * Logs: one JSON object a line. An error is told by its class and where it was thrown; its message stays out, because messages of parsers and
 * databases quote what they were given. Paths stay out too: a route is told by its pattern, since anything may stand in a path.
 */
import { LOG_LEVELS, type LogLevel } from '../config/config.ts';

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

let threshold: LogLevel = 'info';

/** The least level that is written (`LOG_LEVEL`). */
export function setLogLevel(level: LogLevel): void {
  threshold = level;
}

const isWritten = (level: LogLevel) => LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(threshold);

export function logEvent(level: Exclude<LogLevel, 'silent'>, event: string, fields: object): void {
  if (!isWritten(level)) return;
  const line = JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
  if (level === 'error' || level === 'warn') console.error(line);
  else console.log(line);
}

/** One line for each request: failures of ours as errors, everything else as information. */
export function logRequest(request: RequestLog): void {
  logEvent(request.status >= 500 ? 'error' : 'info', 'request', request);
}

export function logError(event: string, error: unknown, fields: Readonly<Record<string, string>> = {}): void {
  const name = error instanceof Error ? error.name : typeof error;
  logEvent('error', event, { error: name, at: placeOf(error), ...fields });
}

/** The stack without the message, which stands in its first lines. */
function placeOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 5)
    .map((line) => line.trim());
}
