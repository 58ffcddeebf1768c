/**
 * Requests to Keystead over HTTP: the token, timeouts, and retries that apply once.
 *
 * A request is sent again when no answer came, or one that says "not now". A change carries one `Idempotency-Key` for
 * all its attempts, so it is applied once even when the first answer was lost. Nothing else is retried.
 */
import { read } from './answer.ts';
import { encode } from './encode.ts';
import { KeysteadError } from './errors.ts';
import { type AbortSignalLike, type FetchLike, platform, type ResponseLike } from './platform.ts';
import { isTransient, waitBeforeNext } from './retries.ts';

export interface TransportRequest {
  readonly method: string;
  /** From the root of Keystead, `/v1/…`. Its parts are encoded. */
  readonly path: string;
  /** Members that are undefined or null are left out, lists are joined by commas, and a `Date` is sent as its time. */
  readonly query?: object | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
  /** Of a change. Without one the client makes one; `false` for what takes none, such as a verification. */
  readonly idempotencyKey?: string | false | undefined;
  /** Ends the call, with all its attempts. */
  readonly signal?: AbortSignalLike | undefined;
  /** How long one attempt may take, instead of the time of the client. */
  readonly timeoutMs?: number | undefined;
  /** How often to try again, instead of the number of the client. */
  readonly retries?: number | undefined;
  /** Whether to try again only when the connection failed; for calls that do better to fail at once. */
  readonly retryLostOnly?: boolean | undefined;
  /** The content types that the answer may have; JSON alone by default. */
  readonly accept?: string | undefined;
}

export interface TransportAnswer {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  /** A value from JSON, or a text of another type that the request accepts, or undefined. */
  readonly body: unknown;
}

/** Sends one request and resolves with a success. Rejects with a `KeysteadError` for everything else. */
export interface Transport {
  request(request: TransportRequest): Promise<TransportAnswer>;
}

export interface TransportOptions {
  /** Where Keystead is, `https://keys.example.com`; a path is kept. */
  readonly url: string | undefined;
  /** The admin token or the key string of a management key, or a function that is asked for it before each call. */
  readonly token: string | (() => string | Promise<string>) | undefined;
  /** How long one attempt may take, 10 seconds by default. */
  readonly timeoutMs?: number | undefined;
  /** How often a call is tried again, twice by default. */
  readonly retries?: number | undefined;
  /** Instead of the global `fetch`. */
  readonly fetch?: FetchLike | undefined;
}

const TIMEOUT_MS = 10_000;
const RETRIES = 2;

/** The longest time that timers keep. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

export class HttpTransport implements Transport {
  /** Where Keystead is, without a slash at the end. */
  readonly url: string;
  readonly #token: () => string | Promise<string>;
  readonly #timeoutMs: number;
  readonly #retries: number;
  readonly #fetch: FetchLike;

  /**
   * Throws a `TypeError` for options that cannot work, such as variables of the environment that are not set. It does
   * not repeat them, since they may be secret.
   */
  constructor({ url, token, timeoutMs = TIMEOUT_MS, retries = RETRIES, fetch }: TransportOptions) {
    this.url = baseOf(url);
    if (typeof token === 'function') this.#token = token;
    else {
      const checked = checkToken(token);
      this.#token = () => checked;
    }
    this.#timeoutMs = checkNumber('timeoutMs', timeoutMs, 1);
    this.#retries = checkNumber('retries', retries, 0);
    this.#fetch = fetch ?? ((input, init) => platform.fetch(input, init));
  }

  async request(request: TransportRequest): Promise<TransportAnswer> {
    const { method, path, signal, accept = '', body } = request;
    const idempotencyKey =
      request.idempotencyKey ?? (method !== 'GET' && method !== 'HEAD' && platform.crypto.randomUUID());
    // Anything else could be read as a part of the host, which would then get the token.
    if (!path.startsWith('/')) throw new TypeError('keystead: path must begin with a slash');
    const url = this.url + path + queryOf(request.query);
    const headers: Record<string, string> = {
      accept: accept ? `${accept}, application/json;q=0.1` : 'application/json',
    };
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (idempotencyKey !== false) headers['idempotency-key'] = checkHeader('idempotencyKey', idempotencyKey);
    for (const [name, value] of Object.entries(request.headers ?? {})) {
      if (value !== undefined) headers[name.toLowerCase()] = checkHeader(name, value);
    }
    headers.authorization = `Bearer ${checkToken(await this.#token())}`;
    // The same bytes in each attempt, since Keystead compares them.
    const text = body === undefined ? undefined : JSON.stringify(body);
    const timeoutMs = checkNumber('timeoutMs', request.timeoutMs ?? this.#timeoutMs, 1);
    const retries = checkNumber('retries', request.retries ?? this.#retries, 0);

    const send = this.#fetch;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await within(timeoutMs, signal, async (abortSignal) => {
          let response: ResponseLike;
          try {
            const init = { method, headers, redirect: 'manual', signal: abortSignal } as const;
            response = await send(url, text === undefined ? init : { ...init, body: text });
            const answer = await read(response, accept, this.url);
            return { status: response.status, headers: response.headers, body: answer };
          } catch (error) {
            throw error instanceof KeysteadError ? error : lost(error, headers.authorization ?? '');
          }
        });
      } catch (error) {
        const { code, status, retryAfterMs } = error as KeysteadError;
        const again = code === 'network' || (!request.retryLostOnly && (code === 'timeout' || isTransient(status)));
        const wait = again && attempt < retries ? waitBeforeNext(attempt, retryAfterMs) : null;
        if (wait === null) throw error;
        await pause(wait, signal);
      }
    }
  }
}

/** What `run` gives, unless the time or the signal ends it before. Whatever `run` does with the signal, it ends. */
function within<T>(
  ms: number,
  outer: AbortSignalLike | undefined,
  run: (signal: AbortSignalLike) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const controller = new platform.AbortController();
    const end = (code: string, message: string) => {
      clear();
      reject(new KeysteadError(code, message));
      controller.abort();
    };
    const abort = () => end('aborted', 'The call was aborted');
    const timer = platform.setTimeout(() => end('timeout', `No answer within ${ms} ms`), Math.min(ms, MAX_TIMEOUT_MS));
    const clear = () => {
      platform.clearTimeout(timer);
      outer?.removeEventListener('abort', abort);
    };
    if (outer?.aborted) return abort();
    outer?.addEventListener('abort', abort);
    const fail = (error: unknown) => {
      reject(error);
      // An answer that is not read to its end would keep its connection.
      controller.abort();
    };
    run(controller.signal).then(resolve, fail).finally(clear);
  });
}

/** Ends with an error when the signal is aborted. */
async function pause(ms: number, signal: AbortSignalLike | undefined): Promise<void> {
  const over = (ended: KeysteadError) => {
    if (ended.code !== 'timeout') throw ended;
  };
  await within(ms, signal, () => new Promise<void>(() => {})).catch(over);
}

/** What looks like the random part of a key string, whoever it belongs to. */
const SECRET_LIKE = /[0-9A-Za-z]{32}/;

/** The error for an attempt without an answer. It says why as far as that cannot repeat a secret. */
function lost(error: unknown, authorization: string): KeysteadError {
  const inner = Object(Object(error).cause ?? error);
  const reason = String(inner.code ?? inner.message ?? '');
  const token = authorization.slice('Bearer '.length);
  const isSafe = reason !== '' && reason.length <= 200 && !reason.includes(token) && !SECRET_LIKE.test(reason);
  return new KeysteadError('network', `No answer from Keystead${isSafe ? `: ${reason}` : ''}`);
}

function baseOf(url: string | undefined): string {
  let parsed: InstanceType<typeof platform.URL> | undefined;
  try {
    parsed = new platform.URL(url ?? '');
  } catch {}
  if (
    parsed === undefined ||
    !/^https?:$/.test(parsed.protocol) ||
    `${parsed.username}${parsed.password}${parsed.search}${parsed.hash}` !== ''
  ) {
    throw new TypeError('keystead: url must be http(s)://host[:port][/path], without user, query and fragment');
  }
  return (parsed.origin + parsed.pathname).replace(/\/+$/, '');
}

function checkToken(token: string | undefined): string {
  if (typeof token === 'string' && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new TypeError('keystead: token must be the admin token or a management key: visible ASCII characters');
}

/** `fetch` would refuse it too, but with an error that repeats the value, and as if the network had failed. */
function checkHeader(name: string, value: string): string {
  if (/^[\x20-\x7e]+$/.test(value)) return value;
  throw new TypeError(`keystead: ${name} must be visible ASCII characters`);
}

function checkNumber(name: string, value: number, least: number): number {
  if (typeof value === 'number' && value >= least) return value;
  throw new TypeError(`keystead: ${name} must be a number, at least ${least}`);
}

function queryOf(query: object = {}): string {
  const pairs = Object.entries(query).flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    return `${encode(name, name)}=${encode(name, value instanceof Date ? value.toISOString() : String(value))}`;
  });
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}
