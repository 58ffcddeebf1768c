/** Reading a JSON body: size, content type, encoding, syntax and structure, each with its own clear refusal. */
import { StructureCheck } from './json-structure.ts';
import { HTTP_PROBLEMS, Problem, validationFailed } from './problem.ts';
import { nextTurn } from './turns.ts';

const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;
/** Content types that are longer are not ours, whatever they say. */
const CONTENT_TYPE_LENGTH_MAX = 100;

/** What a decoder puts where bytes are no UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd';

/** First piece of memory for a body of undeclared length (bytes). */
const FIRST_BUFFER = 4096;

/** Texts up to here are parsed within few milliseconds whatever is in them, so nobody looks at their structure first. */
const UNCHECKED_LENGTH_MAX = 16 * 1024;

/** The value that the text of a body says; `undefined` for an empty one, for routes whose fields are all optional. */
export function parseJson(text: string, contentType: string | null, maxBytes: number): unknown {
  requireText(text, contentType, maxBytes);
  if (text.length > UNCHECKED_LENGTH_MAX) {
    for (const check = new StructureCheck(text); !check.done; ) requireNoBreach(check.next());
  }
  return parsed(text);
}

/** As `parseJson`, for long texts: others get their turn in between. */
export async function parseLongJson(text: string, contentType: string | null, maxBytes: number): Promise<unknown> {
  await nextTurn();
  requireText(text, contentType, maxBytes);
  for (const check = new StructureCheck(text); !check.done; await nextTurn()) requireNoBreach(check.next());
  return parsed(text);
}

function requireText(text: string, contentType: string | null, maxBytes: number): void {
  // Whatever length was declared.
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  if (text === '') return;
  if (!isJson(contentType)) throw new Problem(HTTP_PROBLEMS.unsupported_media_type);
  // Nobody writes this character but programs that lost another: what was sent was no UTF-8 here, or not even where it came from.
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

/** The body as text. One call into the platform for JSON of declared length: verification has no cheaper way to read its question. */
export function readText(request: Request, contentType: string | null, maxBytes: number): Promise<string> {
  const declared = request.headers.get('Content-Length');
  // For content types that are no text the platform's own reader logs a warning, in which the header stands as it was sent.
  if (declared === null || !isJson(contentType)) return readCounting(request, maxBytes);
  if (!(Number(declared) <= maxBytes)) throw tooLarge(maxBytes);
  return request.text();
}

/** Counts while reading, so that no more than the limit is ever held, however small the pieces are in which it comes. */
async function readCounting(request: Request, maxBytes: number): Promise<string> {
  if (Number(request.headers.get('Content-Length') ?? 0) > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return '';
  let bytes = new Uint8Array(FIRST_BUFFER);
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
