/** One authenticated request on its way through a handler: what it asks, who asks, and the means to answer. */
import type * as v from 'valibot';
import type { Operation } from '../../durable-objects/operation.ts';
import type { Page } from '../../durable-objects/storage/paging.ts';
import type { Principal } from '../callers/principal.ts';
import type { Runtime } from '../config/runtime.ts';
import type { Objects } from '../objects.ts';
import type { ListDescription } from '../secrets/cursor.ts';
import { BODY_BYTES_MAX, readJson } from './body.ts';
import { Problem } from './problem.ts';
import { callerIp, randomId } from './request-id.ts';
import { validate } from './validation.ts';

export class Call {
  readonly request: Request;
  readonly requestId: string;
  readonly caller: Principal;
  readonly runtime: Runtime;
  readonly objects: Objects;

  constructor(parts: Pick<Call, 'request' | 'requestId' | 'caller' | 'runtime' | 'objects'>) {
    this.request = parts.request;
    this.requestId = parts.requestId;
    this.caller = parts.caller;
    this.runtime = parts.runtime;
    this.objects = parts.objects;
  }

  /** The body in the shape of the schema. */
  async body<const S extends v.GenericSchema>(schema: S): Promise<v.InferOutput<S>> {
    return validate(schema, await readJson(this.request, BODY_BYTES_MAX));
  }

  /** The query parameters in the shape of the schema; one given twice is refused, since either could be meant. */
  query<const S extends v.GenericSchema>(schema: S): v.InferOutput<S> {
    const values = new Map<string, string | string[]>();
    for (const [name, value] of new URL(this.request.url).searchParams) {
      const before = values.get(name);
      values.set(name, before === undefined ? value : [before, value].flat());
    }
    return validate(schema, Object.fromEntries(values));
  }

  /** What the mutation of this request carries to the object: who, and an identity that survives retries. */
  operation(): Omit<Operation, 'retry'> {
    return {
      id: randomId('op'),
      actor: this.caller.actor,
      requestId: this.requestId,
      ip: callerIp(this.request),
    };
  }

  /** The position that a list request's cursor stands for, null for the start. */
  async position(cursor: string | undefined, list: ListDescription): Promise<number | null> {
    if (cursor === undefined) return null;
    const position = await this.runtime.cursors.read(cursor, list);
    if (position === null) throw new Problem('invalid_cursor');
    return position;
  }

  /** A list's answer, with the `Link` header for the next page (RFC 8288). */
  async listResponse(data: readonly unknown[], page: Page<unknown>, limit: number, list: ListDescription) {
    const nextCursor = page.next === null ? null : await this.runtime.cursors.write(page.next, list);
    const headers = new Headers();
    if (nextCursor !== null) {
      const next = new URL(this.request.url);
      next.searchParams.set('cursor', nextCursor);
      headers.set('Link', `<${next.pathname}${next.search}>; rel="next"`);
    }
    return json({ data, page: { limit, nextCursor, hasMore: nextCursor !== null } }, 200, headers);
  }
}

export function json(value: unknown, status = 200, headers = new Headers()): Response {
  headers.set('Content-Type', 'application/json');
  return new Response(JSON.stringify(value), { status, headers });
}

/** An answer that carries a key string: no cache may keep it. */
export function jsonWithSecret(value: unknown, status: number): Response {
  return json(value, status, new Headers({ 'Cache-Control': 'no-store' }));
}
