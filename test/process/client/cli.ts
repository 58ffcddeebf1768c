/**
 * Runs of the command line within the test: `main` with a machine that is made up, and a service that is a function.
 */
import { Readable } from 'node:stream';
import type { Io, Output } from '../../../client/src/cli/io.ts';
import { main } from '../../../client/src/cli/main.ts';
import type { FetchLike, RequestLike } from '../../../client/src/http/platform.ts';

export const TOKEN = `ksm_0${'Tk'.repeat(45)}1`;
export const URL_OF_FAKE = 'https://keys.example.com';
export const NOW = Date.parse('2026-12-01T12:00:00Z');

export type SeenRequest = {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
};
export type FakeAnswer = {
  readonly status?: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};
export type Service = (request: SeenRequest) => FakeAnswer | Promise<FakeAnswer>;

/** A `fetch` that asks the service, and remembers what was sent. */
export function fakeFetch(service: Service, seen: SeenRequest[] = []): FetchLike {
  return async (url: string, { method, headers, body }: RequestLike) => {
    const { pathname, searchParams } = new URL(url);
    const request = {
      method,
      path: pathname,
      query: Object.fromEntries(searchParams),
      body: body === undefined ? undefined : JSON.parse(body),
      headers,
    };
    seen.push(request);
    const { status = 200, body: answer, headers: more = {} } = await service(request);
    const type = status >= 400 ? 'application/problem+json' : 'application/json';
    const text = typeof answer === 'string' ? answer : JSON.stringify(answer);
    const all = { 'content-type': type, 'x-request-id': 'req_1', ...more };
    return new Response(status === 204 ? null : text, { status, headers: all }) as unknown as ReturnType<FetchLike>;
  };
}

/** A problem as the service answers it. */
export const problem = (status: number, code: string, members: object = {}): FakeAnswer => ({
  status,
  body: { type: `urn:keystead:problem:${code}`, title: code, status, detail: `It is ${code}.`, code, ...members },
});

export type Options = {
  readonly service?: Service;
  readonly fetch?: FetchLike;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  /** Answers to questions, in order. With them, stdin and stderr are a terminal. */
  readonly answers?: readonly string[];
  /** Whether stdout is a terminal. */
  readonly tty?: boolean;
  readonly home?: string;
  readonly now?: number;
  readonly signal?: AbortSignal;
};

export type Ran = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly requests: readonly SeenRequest[];
  readonly questions: readonly { readonly question: string; readonly hidden: boolean }[];
};

/** Runs the command with a token for the fake service, and the tenant acme. */
export async function keystead(argv: readonly string[], options: Options = {}): Promise<Ran> {
  const requests: SeenRequest[] = [];
  const questions: { question: string; hidden: boolean }[] = [];
  const answers = [...(options.answers ?? [])];
  const texts = { stdout: '', stderr: '' };
  const output = (name: 'stdout' | 'stderr', isTTY: boolean): Output => ({
    isTTY,
    columns: 80,
    write: async (text) => {
      texts[name] += text;
    },
  });
  const isAsked = options.answers !== undefined;
  const io: Io = {
    stdin: {
      isTTY: isAsked,
      bytes: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
      ask: async (question, { hidden }) => {
        questions.push({ question, hidden });
        return answers.shift() ?? '';
      },
    },
    stdout: output('stdout', options.tty ?? false),
    stderr: output('stderr', isAsked),
    env: options.env ?? { KEYSTEAD_URL: URL_OF_FAKE, KEYSTEAD_TOKEN: TOKEN, KEYSTEAD_TENANT: 'acme' },
    home: options.home ?? '/nonexistent',
    platform: process.platform,
    fetch: options.fetch ?? fakeFetch(options.service ?? (() => ({ body: {} })), requests),
    now: () => options.now ?? NOW,
    signal: options.signal ?? new AbortController().signal,
  };
  const code = await main(argv, io);
  return { code, ...texts, requests, questions };
}

/** The words of a line, with quotes taken away as a shell does. */
export const wordsOf = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain = '']) => quoted ?? plain);
