/** Operations over HTTP: reads an operation's input from a request, and turns its outcome into a reply. */
import type * as v from 'valibot';
import { parseJson, parseLongJson, readText } from '../http/body.ts';
import type { ListBody } from '../http/bounded-schemas.ts';
import { etag, IDEMPOTENCY_REPLAYED, readIdempotencyKey, readIfMatch } from '../http/conditions.ts';
import { Csv, prefersCsv } from '../http/csv.ts';
import { JsonText } from '../http/json-text.ts';
import { LongList } from '../http/long-list.ts';
import { readOnBehalfOf } from '../http/on-behalf-of.ts';
import { PlainText } from '../http/plain-text.ts';
import { validationFailed } from '../http/problem.ts';
import { json, type Reply, withoutBody } from '../http/reply.ts';
import { callerIp } from '../http/request-id.ts';
import type { RequestTarget } from '../http/request-target.ts';
import type { PathParams } from '../http/route-table.ts';
import { nextTurn } from '../http/turns.ts';
import { validate, validateList } from '../http/validation.ts';
import type { InputReader, Operation, Outcome, PathParameter } from './operation.ts';
import { problem } from './problems.ts';
import type { RequestSource } from './request-context.ts';

/**
 * Bodies of at least so many characters are parsed, validated and processed in separate turns of the event loop, since
 * each of these steps takes some milliseconds.
 */
const LONG_BODY = 128 * 1024;
/** Longest query (characters). All filters of a list at their largest take less than half of it. */
const QUERY_LENGTH_MAX = 8192;

/** One HTTP request. Its parts are read when the operation asks for them. */
export class HttpRequest implements InputReader, RequestSource {
  readonly requestId: string;
  readonly #request: Request;
  readonly #target: RequestTarget;
  readonly #params: PathParams;
  #bodyText = '';

  constructor(request: Request, target: RequestTarget, params: PathParams, requestId: string) {
    this.#request = request;
    this.#target = target;
    this.#params = params;
    this.requestId = requestId;
  }

  get method(): string {
    return this.#request.method;
  }

  get path(): string {
    return this.#target.path;
  }

  bodyText(): string {
    return this.#bodyText;
  }

  idempotencyKey(): string | null {
    return readIdempotencyKey(this.#request);
  }

  ifVersions(): readonly number[] | null {
    return readIfMatch(this.#request);
  }

  onBehalfOf(): string | null {
    return readOnBehalfOf(this.#request);
  }

  wantsCsv(): boolean {
    return prefersCsv(this.#request.headers.get('Accept'));
  }

  ip(): string | null {
    return callerIp(this.#request);
  }

  readPath(parameters: Readonly<Record<string, PathParameter>>): Readonly<Record<string, string>> {
    const values: Record<string, string> = {};
    for (const [name, { pattern, isEncoded = false, otherwise }] of Object.entries(parameters)) {
      const sent = this.#params[name] ?? '';
      const value = isEncoded ? decoded(sent) : sent;
      if (value === null || !pattern.test(value)) throw problem(otherwise);
      values[name] = value;
    }
    return values;
  }

  /**
   * The query parameters in the shape of the schema. A parameter given twice is refused, since either could be meant.
   */
  readQuery(schema: v.GenericSchema, header?: string): unknown {
    const query = header === undefined ? this.#target.query : (this.#request.headers.get(header) ?? '');
    if (query.length > QUERY_LENGTH_MAX) {
      throw validationFailed([{ path: 'query', message: `must be at most ${QUERY_LENGTH_MAX} characters` }]);
    }
    const values = new Map<string, string>();
    for (const [name, value] of new URLSearchParams(query)) {
      if (values.has(name)) throw validationFailed([{ path: name.slice(0, 50), message: 'must be given only once' }]);
      values.set(name, value);
    }
    return validate(schema, Object.fromEntries(values), 'query');
  }

  readHeaders(names: readonly string[]): Readonly<Record<string, string | null>> {
    const values: Record<string, string | null> = {};
    for (const name of names) values[name] = this.#request.headers.get(name);
    return values;
  }

  async readBody(body: v.GenericSchema | ListBody<unknown>, bytesMax: number): Promise<unknown> {
    const contentType = this.#request.headers.get('Content-Type');
    const text = await readText(this.#request, contentType, bytesMax);
    this.#bodyText = text;
    const isLong = text.length >= LONG_BODY;
    const value = isLong ? await parseLongJson(text, contentType, bytesMax) : parseJson(text, contentType, bytesMax);
    if (isLong) await nextTurn();
    const valid = 'field' in body ? await validateList(body, value) : validate(body, value, 'body');
    if (isLong) await nextTurn();
    return valid;
  }
}

/** A percent-encoded text; null when it is not UTF-8, or a percent sign is not followed by two digits. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

/** Replies to the outcomes that are returned again and again as the same object. */
const reusedReplies = new WeakMap<Outcome<unknown>, Reply>();

/**
 * The reply for an outcome, without a wait unless its value is a list that is written in turns. `target` is that of the
 * request: a list links from it to the next page.
 */
export function toReply(
  { response }: Pick<Operation, 'response'>,
  outcome: Outcome<unknown>,
  target: RequestTarget,
): Reply | Promise<Reply> {
  const known = outcome.isReused ? reusedReplies.get(outcome) : undefined;
  if (known !== undefined) return known;
  const headers = headersOf(response, outcome, target);
  const { value } = outcome;
  if (value instanceof Csv) return { status: response.status, headers, ...value.toReply() };
  if (value instanceof PlainText) {
    return { status: response.status, headers, contentType: value.contentType, body: value.text };
  }
  if (value instanceof LongList) return longReply(response.status, value, headers);
  if (value instanceof JsonText) {
    return { status: response.status, headers, contentType: 'application/json', body: value.text };
  }
  const reply = response.body === null ? withoutBody(response.status, headers) : json(value, response.status, headers);
  if (outcome.isReused) reusedReplies.set(outcome, reply);
  return reply;
}

async function longReply(status: number, list: LongList, headers: Reply['headers']): Promise<Reply> {
  return { status, headers, contentType: 'application/json', body: await list.toJson() };
}

function headersOf(
  { isSecret, hasCsv }: Operation['response'],
  outcome: Outcome<unknown>,
  target: RequestTarget,
): Reply['headers'] {
  const { version, headers, replayed = false, next = null } = outcome;
  if (!isSecret && !hasCsv && version === undefined && !replayed && next === null) return headers ?? null;
  return {
    ...headers,
    ...(isSecret ? { 'Cache-Control': 'no-store' } : {}),
    ...(hasCsv ? { Vary: 'Accept' } : {}),
    ...(version === undefined ? {} : { ETag: etag(version) }),
    ...(next === null ? {} : { Link: linkTo(target, next) }),
    ...(replayed ? { [IDEMPOTENCY_REPLAYED]: 'true' } : {}),
  };
}

/** The `Link` header for the next page of a list (RFC 8288): the same query with one parameter changed. */
function linkTo(
  { path, query }: RequestTarget,
  { parameter, value }: { readonly parameter: string; readonly value: string },
) {
  const next = new URLSearchParams(query);
  next.set(parameter, value);
  return `<${path}?${next}>; rel="next"`;
}
