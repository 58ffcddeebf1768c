/**
 * One authenticated request as an operation sees it: the caller, and the means to carry the request out. It knows
 * neither `Request` nor `Response`: `RequestSource` gives it what it needs from the transport.
 */
import type { Idempotency } from '../../domain/command.ts';
import type { Result } from '../../domain/outcome.ts';
import type { Principal } from '../auth/principal.ts';
import type { Runtime } from '../config/runtime.ts';
import type { ListDescription } from '../crypto/cursor.ts';
import { randomId } from '../crypto/random-id.ts';
import { sha256Hex } from '../crypto/sha-256.ts';
import type { CommandTemplate, ObjectClient, ObjectResult, TenantChange, TenantRead } from '../object-client.ts';
import { problem, unwrap } from './problems.ts';

/** What a transport knows of a request. The functions throw a problem when the header that they read is not valid. */
export type RequestSource = {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  /** The body as it was sent; empty before the body was read. */
  bodyText(): string;
  /** The `Idempotency-Key`, null without one. */
  idempotencyKey(): string | null;
  /** Versions of the resource that the caller accepts (`If-Match`), null for any. */
  ifVersions(): readonly number[] | null;
  /** For whom the caller acts, in the caller's own words; null when it does not say. */
  onBehalfOf(): string | null;
  /** Whether the caller would rather have a table in CSV than JSON. */
  wantsCsv(): boolean;
  /** Address of the caller as the platform reports it, null when it reports none. */
  ip(): string | null;
};

/** What an operation may add to the log line of its request. */
export type LogNotes = { verification?: string | undefined; keyId?: string | undefined };

export type CommandOptions = {
  /** Key strings of the response. The command carries them sealed, so that a repeated request gets the same ones. */
  readonly secrets?: readonly string[];
  /**
   * Whether the caller's `Idempotency-Key` applies, by default yes. It must not apply to one step of a larger
   * operation, nor where the result must not be kept.
   */
  readonly idempotent?: boolean;
  /** Whether `If-Match` applies, by default yes. */
  readonly conditional?: boolean;
  /**
   * Whether the change adds data, by default what the operation says. For operations where it depends on the request.
   */
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

  /** Whether the caller would rather have a table in CSV than JSON. */
  get wantsCsv(): boolean {
    return this.#source.wantsCsv();
  }

  /**
   * The command that goes with a change to the object of `tenantId`: who asks for it, under which conditions, and the
   * ids by which the object recognises a repetition.
   */
  async command(tenantId: string, options: CommandOptions = {}): Promise<CommandTemplate> {
    const { secrets = [], idempotent = true, conditional = true, grows = this.#grows } = options;
    const source = this.#source;
    // All headers are read, those that do not apply too: one that is not valid is always refused.
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

  /** Reads from the object of a tenant. A failure is thrown as its problem. */
  async read<T>(tenantId: string, read: TenantRead<Result<T>>): Promise<T> {
    return unwrap(await this.objects.tenant(tenantId, read));
  }

  /** Changes something in the object of a tenant, once even when the call or the request is repeated. */
  async change<T extends ObjectResult>(tenantId: string, change: TenantChange<T>, options?: CommandOptions) {
    return this.objects.changeTenant(tenantId, await this.command(tenantId, options), change);
  }

  /** Opens the key strings of a kept result. */
  async keptSecrets(tenantId: string, sealed: Uint8Array): Promise<string[]> {
    const record = await this.#idempotencyRecord(this.#source.idempotencyKey() ?? '');
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
    const record = await this.#idempotencyRecord(key);
    const body = this.#source.bodyText();
    const plaintext = new TextEncoder().encode(secrets.join('\n'));
    return {
      key: record,
      // The same body on behalf of another person is another request. Without the header the hash stays what it was
      // before the header existed, so that results kept then are still found.
      requestHash: await sha256Hex(onBehalfOf === null ? body : JSON.stringify([body, onBehalfOf])),
      sealedSecrets:
        secrets.length === 0
          ? null
          : await this.runtime.sealer.seal(plaintext, { tenantId, record, purpose: 'answer' }),
    };
  }

  /** The id of the kept result: a hash of caller, method, path and `Idempotency-Key`. */
  #idempotencyRecord(key: string): Promise<string> {
    const { actor } = this.caller;
    return sha256Hex(JSON.stringify([actor.type, actor.id, this.#source.method, this.#source.path, key]));
  }

  /** The position in a list that a cursor says, null for the start. Throws `invalid_cursor`. */
  async position(cursor: string | undefined, list: ListDescription): Promise<number | null> {
    if (cursor === undefined) return null;
    const position = await this.runtime.cursors.read(cursor, list);
    if (position === null) throw problem('invalid_cursor');
    return position;
  }

  /** The cursor of the next page, null after the last one. `next` is the position where it starts. */
  async nextCursor(next: number | null, list: ListDescription): Promise<string | null> {
    return next === null ? null : this.runtime.cursors.write(next, list);
  }
}
