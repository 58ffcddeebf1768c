/** Reading a JSON body: content type, size, encoding and syntax, each with its own clear refusal. */
import { Problem } from './problem.ts';

export const BODY_BYTES_MAX = 256 * 1024;
export const BULK_BODY_BYTES_MAX = 4 * 1024 * 1024;

const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;

/** What a decoder puts where bytes are no UTF-8. */
const REPLACEMENT_CHARACTER = '\ufffd';

/** The value that the text of a body says; `undefined` for an empty one, for routes whose fields are all optional. */
export function parseJson(text: string, contentType: string | null, maxBytes: number): unknown {
  // Whatever length was declared.
  if (text.length > maxBytes) throw tooLarge(maxBytes);
  if (text === '') return undefined;
  if (contentType !== 'application/json' && !JSON_TYPE.test(contentType ?? ''))
    throw new Problem('unsupported_media_type');
  // Nobody writes this character but programs that lost another: what was sent was no UTF-8 here, or not even where it came from.
  if (text.includes(REPLACEMENT_CHARACTER)) throw new Problem('invalid_json');
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote what the caller sent.
    throw new Problem('invalid_json');
  }
}

/** The body as text. One call into the platform for a body of declared length: verification has no cheaper way to read its question. */
export function readText(request: Request, maxBytes: number): Promise<string> {
  const declared = request.headers.get('Content-Length');
  if (declared === null) return readUndeclared(request, maxBytes);
  if (Number(declared) > maxBytes) throw tooLarge(maxBytes);
  return request.text();
}

/** Without a declared length, counts while reading, so that no more than the limit is ever held. */
async function readUndeclared(request: Request, maxBytes: number): Promise<string> {
  if (request.body === null) return '';
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}

const tooLarge = (maxBytes: number) => new Problem('payload_too_large', { detail: `The limit is ${maxBytes} bytes.` });
