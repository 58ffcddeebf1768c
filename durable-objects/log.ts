/**
 * The log: one JSON object per line, from the Worker and from the objects alike. An error is logged by its class and
 * the place where it was thrown. Its message is left out, because messages of parsers and databases quote their input.
 */

import { events } from '../domain/metrics/isolate-metrics.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

let threshold: LogLevel = 'info';

/** Sets the lowest level that is written (`LOG_LEVEL`). */
export function setLogLevel(level: LogLevel): void {
  threshold = level;
}

const isWritten = (level: LogLevel) => LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(threshold);

/** Writes one line. `fields` must hold no secret. Warnings and errors are counted, those that are not written too. */
export function logEvent(level: Exclude<LogLevel, 'silent'>, event: string, fields: object): void {
  if ((level === 'error' || level === 'warn') && event !== 'request') events.at(event, level).count += 1;
  if (!isWritten(level)) return;
  const line = JSON.stringify({ time: new Date().toISOString(), level, event, ...fields });
  if (level === 'error' || level === 'warn') console.error(line);
  else console.log(line);
}

/** Writes one line about an error: its class and place, never its message. */
export function logError(event: string, error: unknown, fields: Readonly<Record<string, string>> = {}): void {
  const name = error instanceof Error ? error.name : typeof error;
  logEvent('error', event, { error: name, at: placeOf(error), ...fields });
}

/** The stack trace without the message, which is in its first lines. */
function placeOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 5)
    .map((line) => line.trim());
}
