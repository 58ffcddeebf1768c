/**
 * What can go wrong at the start and is the operator's to put right. Told as one line on stderr, without a stack trace, so the message says what
 * is wrong and what to do about it, and never holds a secret.
 */
export class StartupError extends Error {}

/** The system's code of an error (`EACCES`, …), undefined for other errors. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
