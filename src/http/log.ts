/**
 * Logs: one JSON object a line. An error is told by its class and where it was thrown; its message stays out, because messages of parsers and
 * databases quote what they were given.
 */

export function logError(event: string, error: unknown, fields: Readonly<Record<string, string>> = {}): void {
  const name = error instanceof Error ? error.name : typeof error;
  console.error(
    JSON.stringify({
      time: new Date().toISOString(),
      level: 'error',
      event,
      error: name,
      at: placeOf(error),
      ...fields,
    }),
  );
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
