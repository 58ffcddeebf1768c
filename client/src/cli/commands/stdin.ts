/** Reading what comes by stdin or from a file that a flag names, with a bound. */
import { createReadStream } from 'node:fs';
import { UsageError, unusable } from '../exit.ts';
import type { Input } from '../io.ts';

/** All of it as UTF-8. */
export async function readAll(bytes: AsyncIterable<Uint8Array>, maxBytes: number, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bytes) {
    length += chunk.byteLength;
    if (length > maxBytes) throw unusable(`${what} has more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw unusable(`${what} is not UTF-8`);
  }
}

/** The bytes of `-` (stdin) or of a file. */
export async function* bytesOf(name: string, stdin: Input): AsyncIterable<Uint8Array> {
  if (name === '-') return yield* stdin.bytes;
  try {
    yield* createReadStream(name);
  } catch (error) {
    throw unusable(`${name} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** The largest body that Keystead takes. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** The JSON object that `--body -` or `--body @file` names. */
export async function readBody(value: string, stdin: Input): Promise<Record<string, unknown>> {
  if (value !== '-' && !value.startsWith('@')) {
    throw new UsageError('--body takes - for stdin, or @FILE');
  }
  const text = await readAll(bytesOf(value === '-' ? '-' : value.slice(1), stdin), MAX_BODY_BYTES, 'The body');
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  } catch {
    // The error of JSON.parse repeats a part of the text.
  }
  throw unusable('The body is not a JSON object');
}

/** More than any key string or token; anything longer is another thing. */
const MAX_SECRET_BYTES = 4096;

/** A key string or a token: asked for without showing it, or one line of stdin. Its line end is not part of it. */
export async function readSecret(question: string, stdin: Input): Promise<string> {
  if (stdin.isTTY) return (await stdin.ask(question, { hidden: true })).trim();
  const text = await readAll(stdin.bytes, MAX_SECRET_BYTES, 'What came by stdin');
  return text.replace(/\r?\n$/, '');
}
