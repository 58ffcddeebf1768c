/** What an answer says: its body by the content type, with a bound, and the error that it stands for. */
import { KeysteadError, type ProblemMembers } from './errors.ts';
import { platform, type ResponseLike } from './platform.ts';
import { retryAfterOf } from './retries.ts';

/** More than the largest answer of Keystead, a page of 100 keys or the keys of a bulk creation, about 10 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;

/**
 * The body of a success: a value from JSON, a text of one of the other types that the caller `accepts`, or undefined
 * for an empty one. Throws what anything else means.
 */
export async function read(response: ResponseLike, accepts: string, from: string): Promise<unknown> {
  const { status, headers } = response;
  const [type = ''] = (headers.get('content-type') ?? '').toLowerCase().split(/\s*;/);
  const details = {
    status,
    requestId: headers.get('x-request-id'),
    retryAfterMs: retryAfterOf(headers.get('retry-after')),
  };
  const unexpected = (what: string) =>
    new KeysteadError('unexpected_answer', `${from} answered ${status} with ${what}. Is that Keystead?`, details);
  // Browsers hide where a redirect leads, and call its status 0.
  if (status < 200 || (status >= 300 && status < 400)) throw unexpected('a redirect');

  const text = await textOf(response, () => unexpected(`more than ${MAX_ANSWER_BYTES} bytes`));
  const isJson = /^application\/(?:[\w.-]+\+)?json$/.test(type);
  if (status < 300) {
    if (text === '') return undefined;
    if (!isJson && type !== '' && accepts.includes(type)) return text;
  }
  let value: unknown;
  try {
    if (!isJson) throw new Error();
    value = JSON.parse(text);
  } catch {
    throw unexpected(isJson ? 'what is not JSON' : `${type || 'no content type'} instead of JSON`);
  }
  if (status < 300) return value;
  const problem = Object(value) as ProblemMembers & { readonly code?: unknown };
  if (typeof problem.code !== 'string') throw unexpected('JSON that is not a problem');
  throw new KeysteadError(problem.code, problem.detail ?? problem.title ?? problem.code, { ...problem, ...details });
}

async function textOf({ body }: ResponseLike, tooLarge: () => KeysteadError): Promise<string> {
  const reader = body?.getReader();
  const decoder = new platform.TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const chunk = await reader?.read();
    if (chunk === undefined || chunk.done || chunk.value === undefined) return text + decoder.decode();
    bytes += chunk.value.byteLength;
    if (bytes > MAX_ANSWER_BYTES) {
      // Whether that works does not matter any more.
      reader?.cancel().catch(() => {});
      throw tooLarge();
    }
    text += decoder.decode(chunk.value, { stream: true });
  }
}
