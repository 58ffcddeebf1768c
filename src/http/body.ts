/** Reading a JSON body: content type, size, encoding and syntax, each with its own clear refusal. */
import { Problem } from './problem.ts';

export const BODY_BYTES_MAX = 256 * 1024;
export const BULK_BODY_BYTES_MAX = 4 * 1024 * 1024;

const JSON_TYPE = /^application\/json *(?:; *charset="?utf-8"? *)?$/i;

/** Refuses what is not UTF-8 instead of replacing it. Keeps no state between calls. */
const UTF_8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

export type JsonBody = {
  /** The body as it came, empty for none. */
  readonly bytes: Uint8Array;
  /** The parsed body; `undefined` for an empty one, for routes whose fields are all optional. */
  readonly value: unknown;
};

export async function readJson(request: Request, maxBytes: number): Promise<JsonBody> {
  const bytes = await readBytes(request, maxBytes);
  if (bytes.byteLength === 0) return { bytes, value: undefined };
  if (!JSON_TYPE.test(request.headers.get('Content-Type') ?? '')) throw new Problem('unsupported_media_type');
  try {
    return { bytes, value: JSON.parse(UTF_8.decode(bytes)) };
  } catch {
    // The parser's own message would quote what the caller sent.
    throw new Problem('invalid_json');
  }
}

async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => new Problem('payload_too_large', { detail: `The limit is ${maxBytes} bytes.` });
  const declared = request.headers.get('Content-Length');
  if (declared !== null) {
    if (Number(declared) > maxBytes) throw tooLarge();
    const bytes = new Uint8Array(await request.arrayBuffer());
    if (bytes.byteLength > maxBytes) throw tooLarge();
    return bytes;
  }
  if (request.body === null) return new Uint8Array();
  // Without a declared length, count while reading, so that no more than the limit is ever held.
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
