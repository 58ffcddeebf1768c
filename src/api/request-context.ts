/** One authenticated request on its way through a handler: what it asks, who asks, and the means to answer. */
import type * as v from 'valibot';
import type { Idempotency } from '../../domain/command.ts';
import type { Principal } from '../auth/principal.ts';
import type { Runtime } from '../config/runtime.ts';
import type { ObjectClient, CommandTemplate } from '../object-client.ts';
import type { ListDescription } from '../crypto/cursor.ts';
import { json } from '../http/answer.ts';
import { parseJson, parseLongJson, readText } from '../http/body.ts';
import type { ListBody } from '../http/bounded.ts';
import { readIdempotencyKey, readIfMatch } from '../http/conditions.ts';
import type { RequestLog } from '../http/log.ts';
import { readOnBehalfOf } from '../http/on-behalf-of.ts';
import { Problem, validationFailed } from '../http/problem.ts';
import { callerIp, randomId } from '../http/request-id.ts';
import type { Target } from '../http/target.ts';
import { nextTurn } from '../http/turns.ts';
import { validate, validateList } from '../http/validation.ts';

/** Bodies (characters) from which parsing, validating and what comes then have a turn each: some milliseconds at least. */
const LONG_BODY = 128 * 1024;
/** Longest query (characters): all filters of a list at their largest have less than half of it. */
const QUERY_LENGTH_MAX = 8192;

export class Call {
  readonly request: Request;
  readonly target: Target;
  /** Largest body that the route takes. */
  readonly bodyBytesMax: number;
  readonly requestId: string;
  /** What a handler has to tell the log beside what is told of every request. */
  readonly log: Pick<RequestLog, 'verification' | 'keyId'>;
  readonly caller: Principal;
  readonly runtime: Runtime;
  readonly objects: ObjectClient;
  /** Whether what is asked for adds data; the route says so. */
  readonly grows: boolean;
  #bodyText = '';

  constructor(
    parts: Pick<
      Call,
      'request' | 'target' | 'bodyBytesMax' | 'requestId' | 'log' | 'caller' | 'runtime' | 'objects' | 'grows'
    >,
  ) {
    this.request = parts.request;
    this.target = parts.target;
    this.bodyBytesMax = parts.bodyBytesMax;
    this.requestId = parts.requestId;
    this.log = parts.log;
    this.caller = parts.caller;
    this.runtime = parts.runtime;
    this.objects = parts.objects;
    this.grows = parts.grows;
  }

  /** The body in the shape of the schema. */
  async body<const S extends v.GenericSchema>(schema: S): Promise<v.InferOutput<S>> {
    const value = await this.#bodyValue();
    const isLong = this.#bodyText.length >= LONG_BODY;
    if (isLong) await nextTurn();
    const valid = validate(schema, value, 'body');
    if (isLong) await nextTurn();
    return valid;
  }

  /** The items of a body that is a long list. */
  async listBody<T>(list: ListBody<T>): Promise<T[]> {
    const value = await this.#bodyValue();
    const isLong = this.#bodyText.length >= LONG_BODY;
    if (isLong) await nextTurn();
    const items = await validateList(list, value);
    if (isLong) await nextTurn();
    return items;
  }

  async #bodyValue(): Promise<unknown> {
    const contentType = this.request.headers.get('Content-Type');
    const text = await readText(this.request, contentType, this.bodyBytesMax);
    this.#bodyText = text;
    return text.length < LONG_BODY
      ? parseJson(text, contentType, this.bodyBytesMax)
      : parseLongJson(text, contentType, this.bodyBytesMax);
  }

  /** The query parameters in the shape of the schema; one given twice is refused, since either could be meant. */
  query<const S extends v.GenericSchema>(schema: S): v.InferOutput<S> {
    const { query } = this.target;
    if (query.length > QUERY_LENGTH_MAX) {
      throw validationFailed([{ path: 'query', message: `must be at most ${QUERY_LENGTH_MAX} characters` }]);
    }
    const values = new Map<string, string | []>();
    for (const [name, value] of new URLSearchParams(query)) values.set(name, values.has(name) ? [] : value);
    return validate(schema, Object.fromEntries(values), 'query');
  }

  /**
   * What the mutation of this request carries to the object of `tenantId`. Key strings that the answer will hold are sealed into it, so that a kept
   * answer can be given again whole. Call after `body`.
   */
  async command(tenantId: string, secrets: readonly string[] = []): Promise<CommandTemplate> {
    const key = readIdempotencyKey(this.request);
    return {
      id: randomId('op'),
      actor: this.caller.actor,
      onBehalfOf: readOnBehalfOf(this.request),
      grows: this.grows,
      requestId: this.requestId,
      ip: callerIp(this.request),
      ifVersions: readIfMatch(this.request),
      idempotency: key === null ? null : await this.#idempotency(key, tenantId, secrets),
    };
  }

  /** The key strings of a kept answer. */
  async keptSecrets(tenantId: string, sealed: Uint8Array): Promise<string[]> {
    const key = readIdempotencyKey(this.request) ?? '';
    const context = { tenantId, record: await this.#idempotencyDigest(key), purpose: 'answer' as const };
    const opened = await this.runtime.sealer.open(sealed, context);
    if (typeof opened === 'string') throw new Problem('not_recoverable');
    return new TextDecoder().decode(opened).split('\n');
  }

  async #idempotency(key: string, tenantId: string, secrets: readonly string[]): Promise<Idempotency> {
    const record = await this.#idempotencyDigest(key);
    const plaintext = new TextEncoder().encode(secrets.join('\n'));
    const context = { tenantId, record, purpose: 'answer' as const };
    const onBehalfOf = readOnBehalfOf(this.request);
    return {
      key: record,
      // For another person it is another request. Without one it is what it was before callers could say so.
      requestHash: await digest(onBehalfOf === null ? this.#bodyText : JSON.stringify([this.#bodyText, onBehalfOf])),
      sealedSecrets: secrets.length === 0 ? null : await this.runtime.sealer.seal(plaintext, context),
    };
  }

  #idempotencyDigest(key: string): Promise<string> {
    const parts = [this.caller.actor.type, this.caller.actor.id, this.request.method, this.target.path, key];
    return digest(JSON.stringify(parts));
  }

  /** The position that a list request's cursor stands for, null for the start. */
  async position(cursor: string | undefined, list: ListDescription): Promise<number | null> {
    if (cursor === undefined) return null;
    const position = await this.runtime.cursors.read(cursor, list);
    if (position === null) throw new Problem('invalid_cursor');
    return position;
  }

  /** A list's answer, with the `Link` header for the next page (RFC 8288) and what `more` adds. */
  async listResponse(
    data: readonly unknown[],
    { next }: { readonly next: number | null },
    limit: number,
    list: ListDescription,
    more: Readonly<Record<string, unknown>> = {},
  ) {
    const nextCursor = next === null ? null : await this.runtime.cursors.write(next, list);
    const headers = nextCursor === null ? null : { Link: this.nextLink('cursor', nextCursor) };
    return json({ data, page: { limit, nextCursor, hasMore: nextCursor !== null }, ...more }, 200, headers);
  }

  /** `Link` to this list with one parameter changed. */
  nextLink(parameter: string, value: string): string {
    const next = new URLSearchParams(this.target.query);
    next.set(parameter, value);
    return `<${this.target.path}?${next}>; rel="next"`;
  }
}

async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
