/** One authenticated request on its way through a handler: what it asks, who asks, and the means to answer. */
import type * as v from 'valibot';
import type { Idempotency } from '../../durable-objects/operation.ts';
import type { Page } from '../../durable-objects/storage/paging.ts';
import type { Principal } from '../callers/principal.ts';
import type { Runtime } from '../config/runtime.ts';
import type { Objects, OperationTemplate } from '../objects.ts';
import type { ListDescription } from '../secrets/cursor.ts';
import { json } from './answer.ts';
import { BODY_BYTES_MAX, parseJson, readText } from './body.ts';
import { readIdempotencyKey, readIfMatch } from './conditions.ts';
import { readOnBehalfOf } from './on-behalf-of.ts';
import { Problem } from './problem.ts';
import { callerIp, randomId } from './request-id.ts';
import { validate } from './validation.ts';

export class Call {
  readonly request: Request;
  readonly requestId: string;
  readonly caller: Principal;
  readonly runtime: Runtime;
  readonly objects: Objects;
  /** Whether what is asked for adds data; the route says so. */
  readonly grows: boolean;
  #bodyText = '';

  constructor(parts: Pick<Call, 'request' | 'requestId' | 'caller' | 'runtime' | 'objects' | 'grows'>) {
    this.request = parts.request;
    this.requestId = parts.requestId;
    this.caller = parts.caller;
    this.runtime = parts.runtime;
    this.objects = parts.objects;
    this.grows = parts.grows;
  }

  /** The body in the shape of the schema. */
  async body<const S extends v.GenericSchema>(schema: S, maxBytes = BODY_BYTES_MAX): Promise<v.InferOutput<S>> {
    const text = await readText(this.request, maxBytes);
    this.#bodyText = text;
    return validate(schema, parseJson(text, this.request.headers.get('Content-Type'), maxBytes));
  }

  /** The query parameters in the shape of the schema; one given twice is refused, since either could be meant. */
  query<const S extends v.GenericSchema>(schema: S): v.InferOutput<S> {
    const values = new Map<string, string | []>();
    for (const [name, value] of new URL(this.request.url).searchParams) {
      values.set(name, values.has(name) ? [] : value);
    }
    return validate(schema, Object.fromEntries(values));
  }

  /**
   * What the mutation of this request carries to the object of `tenantId`. Key strings that the answer will hold are sealed into it, so that a kept
   * answer can be given again whole. Call after `body`.
   */
  async operation(tenantId: string, secrets: readonly string[] = []): Promise<OperationTemplate> {
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
      fingerprint: await digest(onBehalfOf === null ? this.#bodyText : JSON.stringify([this.#bodyText, onBehalfOf])),
      sealedSecrets: secrets.length === 0 ? null : await this.runtime.sealer.seal(plaintext, context),
    };
  }

  #idempotencyDigest(key: string): Promise<string> {
    const { pathname } = new URL(this.request.url);
    const parts = [this.caller.actor.type, this.caller.actor.id, this.request.method, pathname, key];
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
    page: Page<unknown>,
    limit: number,
    list: ListDescription,
    more: Readonly<Record<string, unknown>> = {},
  ) {
    const nextCursor = page.next === null ? null : await this.runtime.cursors.write(page.next, list);
    const headers = nextCursor === null ? null : { Link: this.nextLink('cursor', nextCursor) };
    return json({ data, page: { limit, nextCursor, hasMore: nextCursor !== null }, ...more }, 200, headers);
  }

  /** `Link` to this list with one parameter changed. */
  nextLink(parameter: string, value: string): string {
    const next = new URL(this.request.url);
    next.searchParams.set(parameter, value);
    return `<${next.pathname}${next.search}>; rel="next"`;
  }
}

async function digest(text: string): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
