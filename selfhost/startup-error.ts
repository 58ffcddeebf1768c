/**
 * A problem at the start that the operator can solve. It is reported as one line on stderr without a stack trace, so
 * the message must say what is wrong and what to do about it. It must never contain a secret.
 */
export class StartupError extends Error {}

/** Returns the system's code of an error (`EACCES`, …), or undefined for other errors. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
