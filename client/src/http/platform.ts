/**
 * What the client needs of the platform, as types of its own. So the package compiles wherever it is used, with the
 * types of Node, of Workers, of a browser, or of none, and `fetch`, `AbortSignal` and `Response` of all of them fit.
 */

/** An `AbortSignal`. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The `Headers` of an answer. */
export interface HeadersLike {
  get(name: string): string | null;
}

/** A `Response`, as far as the client reads it. */
export interface ResponseLike {
  readonly status: number;
  readonly headers: HeadersLike;
  readonly body: {
    getReader(): {
      read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
      cancel(): Promise<void>;
    };
  } | null;
}

/** What the client gives to `fetch`. */
export interface RequestLike {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly redirect: 'manual';
  // biome-ignore lint/suspicious/noExplicitAny: it is a real AbortSignal, which each platform declares on its own
  readonly signal: any;
}

/** `fetch`, or a function that stands for it. */
export type FetchLike = (url: string, init: RequestLike) => Promise<ResponseLike>;

type Platform = {
  readonly fetch: FetchLike;
  readonly crypto: { randomUUID(): string };
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  readonly navigator?: { readonly userAgent?: string };
  readonly performance: { now(): number };
  readonly Date: { now(): number };
  readonly URL: new (
    text: string,
  ) => Record<'protocol' | 'username' | 'password' | 'search' | 'hash' | 'origin' | 'pathname', string>;
  readonly AbortController: new () => { readonly signal: AbortSignalLike; abort(): void };
  readonly TextDecoder: new () => { decode(bytes?: Uint8Array, options?: { stream: boolean }): string };
};

/** The global object. Its members are looked up when they are used, so that a test or a tracer may replace them. */
export const platform = globalThis as unknown as Platform;
