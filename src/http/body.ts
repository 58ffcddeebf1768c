/**
 * Reads a JSON body and checks its size, content type, encoding, structure and syntax. Each failure
 * has its own problem.
 */
import { StructureCheck } from './json-structure.ts';
import { HTTP_PROBLEMS, Problem, validationFailed } from './problem.ts';
import { nextTurn } from './turns.ts';

const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;
/** Longer content types are refused unread, so that no regular expression runs on a long text. */
const CONTENT_TYPE_LENGTH_MAX = 100;

/** What a decoder puts in place of bytes that are not UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd';

/** First size of the buffer for a body of undeclared length (bytes). */
const FIRST_BUFFER_BYTES = 4096;

/** Texts up to this length are parsed within few milliseconds whatever they hold, so their structure is not checked. */
const UNCHECKED_LENGTH_MAX = 16 * 1024;

/**
 * The value of a JSON text; `undefined` for an empty text, since some bodies have no required
 * field. Throws a problem.
 */
export function parseJson(text: string, contentType: string | null, maxBytes: number): unknown {
  requireText(text, contentType, maxBytes);
  if (text.length > UNCHECKED_LENGTH_MAX) {
    for (const check = new StructureCheck(text); !check.done; ) requireNoBreach(check.next());
  }
  return parsed(text);
}

/** As `parseJson`, for long texts: lets other requests be served between its steps. */
export async function parseLongJson(text: string, contentType: string | null, maxBytes: number): Promise<unknown> {
  await nextTurn();
  requireText(text, contentType, maxBytes);
  for (const check = new StructureCheck(text); !check.done; await nextTurn()) requireNoBreach(check.next());
  return parsed(text);
}

function requireText(text: string, contentType: string | null, maxBytes: number): void {
  // Checked again here, since the declared length may be wrong.
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  if (text === '') return;
  if (!isJson(contentType)) throw new Problem(HTTP_PROBLEMS.unsupported_media_type);
  // The body, or an earlier form of it, was not UTF-8: programs write this character only in place of one they could
  // not decode.
  if (text.includes(REPLACEMENT_CHARACTER)) throw new Problem(HTTP_PROBLEMS.invalid_json);
}

function requireNoBreach(breach: string | null): void {
  if (breach !== null) throw validationFailed([{ path: 'body', message: breach }]);
}

function parsed(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote what the caller sent.
    throw new Problem(HTTP_PROBLEMS.invalid_json);
  }
}

function isJson(contentType: string | null): boolean {
  if (contentType === 'application/json') return true;
  return contentType !== null && contentType.length <= CONTENT_TYPE_LENGTH_MAX && JSON_TYPE.test(contentType);
}

/**
 * The body as text. For JSON of declared length this is one call into the platform, the cheapest
 * way for verification.
 */
export function readText(request: Request, contentType: string | null, maxBytes: number): Promise<string> {
  const declared = request.headers.get('Content-Length');
  // For content types other than text, `request.text()` logs a warning that quotes the header as it was sent.
  if (declared === null || !isJson(contentType)) return readCounting(request, maxBytes);
  if (!(Number(declared) <= maxBytes)) throw tooLarge(maxBytes);
  return request.text();
}

/** Reads and counts, so that nothing beyond the limit is held in memory, in however many chunks the body arrives. */
async function readCounting(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('Content-Length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return '';
  let bytes = new Uint8Array(FIRST_BUFFER_BYTES);
  let size = 0;
  for await (const chunk of request.body) {
    if (size + chunk.byteLength > maxBytes) throw tooLarge(maxBytes);
    if (size + chunk.byteLength > bytes.length) {
      const larger = new Uint8Array(Math.max(size + chunk.byteLength, 2 * bytes.length));
      larger.set(bytes.subarray(0, size));
      bytes = larger;
    }
    bytes.set(chunk, size);
    size += chunk.byteLength;
  }
  return new TextDecoder().decode(bytes.subarray(0, size));
}

const tooLarge = (maxBytes: number) =>
  new Problem(HTTP_PROBLEMS.payload_too_large, { detail: `The limit is ${maxBytes} bytes.` });
