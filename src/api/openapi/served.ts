/**
 * The description as it is served, to anybody: it says nothing that the program's source does not. It is made when it
 * is asked for the first time, so that a start costs nothing. That takes some milliseconds in each of several turns of
 * the event loop, so that others are served in between, and then 0.5 MB of memory.
 */
import type { ConfigProblem } from '../../config/config.ts';
import type { Runtime } from '../../config/runtime.ts';
import { HTTP_PROBLEMS, misconfigured, Problem } from '../../http/problem.ts';
import type { Reply } from '../../http/reply.ts';
import { nextTurn } from '../../http/turns.ts';
import { VERSION } from '../../version.ts';
import type { OperationDescription } from '../operation.ts';
import { describeApi } from './document.ts';
import { renderPage, STYLE } from './page.ts';

export const DESCRIPTION_PATHS = ['/openapi.json', '/docs'] as const;
export type DescriptionPath = (typeof DESCRIPTION_PATHS)[number];

/** It changes with the program only; some minutes of an older one do no harm. */
const CACHE_CONTROL = 'public, max-age=300';

export class ServedDescription {
  readonly #operations: readonly OperationDescription[];
  #json: (Reply & { readonly body: string }) | null = null;
  #page: Reply | null = null;

  constructor(operations: readonly OperationDescription[]) {
    this.#operations = operations;
  }

  /** The reply at one of the paths. Throws a problem when the page is switched off. */
  async reply(path: DescriptionPath, runtime: Runtime | ConfigProblem[]): Promise<Reply> {
    if (path === '/openapi.json') return this.#jsonReply();
    if (Array.isArray(runtime)) throw misconfigured(runtime);
    if (!runtime.hasDocs) throw new Problem(HTTP_PROBLEMS.not_found);
    this.#page ??= await this.#makePage();
    return this.#page;
  }

  async #jsonReply(): Promise<Reply & { readonly body: string }> {
    if (this.#json === null) {
      const document = describeApi(this.#operations, VERSION);
      await nextTurn();
      const body = JSON.stringify(document);
      this.#json = { status: 200, headers: { 'Cache-Control': CACHE_CONTROL }, contentType: 'application/json', body };
    }
    return this.#json;
  }

  async #makePage(): Promise<Reply> {
    const { body } = await this.#jsonReply();
    await nextTurn();
    const page = await renderPage(JSON.parse(body));
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(STYLE));
    const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
    return {
      status: 200,
      headers: {
        'Cache-Control': CACHE_CONTROL,
        'Content-Security-Policy':
          `default-src 'none'; style-src 'sha256-${hash}'; ` +
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
      },
      contentType: 'text/html; charset=utf-8',
      body: page,
    };
  }
}
