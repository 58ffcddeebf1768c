/**
 * One authenticated request as operations see it: who asks, and the means to carry it out. It knows neither `Request` nor
 * `Response`: what it takes from the transport comes through `RequestSource`.
 */
import type { Command, Idempotency } from '../../domain/command.ts';
import type { TenantTarget } from '../../domain/tenants/target.ts';
import type { Remote } from '../../durable-objects/bindings.ts';
import type { Tenant } from '../../durable-objects/tenant/tenant.ts';
import type { Principal } from '../auth/principal.ts';
import type { Runtime } from '../config/runtime.ts';
import type { ListDescription } from '../crypto/cursor.ts';
import { randomId } from '../crypto/random-id.ts';
import { sha256Hex } from '../crypto/sha-256.ts';
import type { CommandTemplate, ObjectClient, ObjectResult } from '../object-client.ts';
import { problem } from './problems.ts';

/** What a transport tells of a request. The functions may throw a problem: a header that is not valid. */
export type RequestSource = {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  /** The body as it was sent. Call after the body was read. */
  bodyText(): string;
  /** The caller's own key for this request, null without one. */
  idempotencyKey(): string | null;
  /** Versions of the key that the caller accepts, null for any. */
  ifVersions(): readonly number[] | null;
  /** For whom the caller acts, in its own words; null when it does not say. */
  onBehalfOf(): string | null;
  /** Address of the caller as the platform reports it, null when it does not. */
  ip(): string | null;
};

/** What an operation may tell the request's log line, beside what every line says. */
export type LogNotes = { verification?: string | undefined; keyId?: string | undefined };

export type CommandOptions = {
  /** Key strings of the response. They are sealed into the command, so that a repeated request gets them again. */
  readonly secrets?: readonly string[];
  /**
   * Whether the caller's `Idempotency-Key` counts, by default yes. No for a step of a larger operation, and for one whose result
   * must not be kept.
   */
  readonly idempotent?: boolean;
  /** Whether `If-Match` counts, by default yes. */
  readonly conditional?: boolean;
  /** Whether the change adds data, if that is not so for all requests to the operation. */
  readonly grows?: boolean;
};

export class RequestContext {
  readonly caller: Principal;
  readonly runtime: Runtime;
  readonly objects: ObjectClient;
  readonly log: LogNotes;
  readonly #source: RequestSource;
  readonly #grows: boolean;

  constructor(parts: {
    readonly caller: Principal;
    readonly runtime: Runtime;
    readonly objects: ObjectClient;
    readonly log: LogNotes;
    readonly source: RequestSource;
    readonly grows: boolean;
  }) {
    this.caller = parts.caller;
    this.runtime = parts.runtime;
    this.objects = parts.objects;
    this.log = parts.log;
    this.#source = parts.source;
    this.#grows = parts.grows;
  }

  get requestId(): string {
    return this.#source.requestId;
  }

  /** What the object of `tenantId` gets along with a change: who asks for it, under which conditions, and how it is recognised. */
  async command(tenantId: string, options: CommandOptions = {}): Promise<CommandTemplate> {
    const { secrets = [], idempotent = true, conditional = true, grows = this.#grows } = options;
    const source = this.#source;
    const key = source.idempotencyKey();
    const onBehalfOf = source.onBehalfOf();
    const ifVersions = source.ifVersions();
    return {
      id: randomId('op'),
      actor: this.caller.actor,
      onBehalfOf,
      grows,
      requestId: source.requestId,
      ip: source.ip(),
      ifVersions: conditional ? ifVersions : null,
      idempotency: key === null || !idempotent ? null : await this.#idempotency(key, onBehalfOf, tenantId, secrets),
    };
  }

  /** Has the object of a tenant change something for this request, once even when the call or the request is repeated. */
  async change<T extends ObjectResult>(
    tenantId: string,
    change: (tenant: Remote<Tenant>, target: TenantTarget, command: Command) => Promise<T>,
    options?: CommandOptions,
  ) {
    return this.objects.changeTenant(tenantId, await this.command(tenantId, options), change);
  }

  /** The key strings of a kept result. */
  async keptSecrets(tenantId: string, sealed: Uint8Array): Promise<string[]> {
    const record = await this.#idempotencyDigest(this.#source.idempotencyKey() ?? '');
    const opened = await this.runtime.sealer.open(sealed, { tenantId, record, purpose: 'answer' });
    if (typeof opened === 'string') throw problem('not_recoverable');
    return new TextDecoder().decode(opened).split('\n');
  }

  async #idempotency(
    key: string,
    onBehalfOf: string | null,
    tenantId: string,
    secrets: readonly string[],
  ): Promise<Idempotency> {
    const record = await this.#idempotencyDigest(key);
    const body = this.#source.bodyText();
    const plaintext = new TextEncoder().encode(secrets.join('\n'));
    return {
      key: record,
      // On behalf of another person it is another request. Without one the hash is what it was before callers could say so.
      requestHash: await sha256Hex(onBehalfOf === null ? body : JSON.stringify([body, onBehalfOf])),
      sealedSecrets:
        secrets.length === 0
          ? null
          : await this.runtime.sealer.seal(plaintext, { tenantId, record, purpose: 'answer' }),
    };
  }

  #idempotencyDigest(key: string): Promise<string> {
    const { actor } = this.caller;
    return sha256Hex(JSON.stringify([actor.type, actor.id, this.#source.method, this.#source.path, key]));
  }

  /** The position that a list request's cursor stands for, null for the start. */
  async position(cursor: string | undefined, list: ListDescription): Promise<number | null> {
    if (cursor === undefined) return null;
    const position = await this.runtime.cursors.read(cursor, list);
    if (position === null) throw problem('invalid_cursor');
    return position;
  }

  /** The cursor for what comes after a page, null at the end. */
  async nextCursor(next: number | null, list: ListDescription): Promise<string | null> {
    return next === null ? null : this.runtime.cursors.write(next, list);
  }
}
