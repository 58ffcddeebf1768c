/**
 * Finds what answers a method and a path. itty-router compiles the patterns and holds the table. Its own `fetch` is not used: it parses the URL again,
 * which would fold paths like `/a/../b` that a proxy in front of this saw otherwise, at a cost that every request would pay.
 */
import { IttyRouter } from 'itty-router/IttyRouter';

/** Parameters of a path, as they stand in it. */
export type PathParams = Readonly<Record<string, string | undefined>>;

/** `path` is a pattern: a segment that starts with a colon takes any text that is not empty. */
type Pattern = { readonly method: string; readonly path: string };

/** Longer paths are nobody's: the longest of ours has 63 characters of tenant and 21 of a key in it. */
export const PATH_LENGTH_MAX = 1024;

export class RouteTable<R extends Pattern> {
  readonly #router = IttyRouter();
  readonly #routes: readonly R[];

  constructor(routes: readonly R[]) {
    this.#routes = routes;
    // The handlers are ours to call.
    for (const { path } of routes) this.#router.all(path, () => {});
  }

  /** The route, null for none. Where there is a GET there is a HEAD: the same answer, of which the platform leaves out the body. */
  find(method: string, path: string): { readonly route: R; readonly params: PathParams } | null {
    if (path.length > PATH_LENGTH_MAX) return null;
    const wanted = method === 'HEAD' ? 'GET' : method;
    for (const [index, route] of this.#routes.entries()) {
      const match = route.method === wanted ? this.#pattern(index)?.exec(path) : null;
      if (match) return { route, params: match.groups ?? {} };
    }
    return null;
  }

  /** Methods that the path takes, as `Allow` lists them. */
  methodsAt(path: string): string[] {
    if (path.length > PATH_LENGTH_MAX) return [];
    const found = this.#routes.filter((_, index) => this.#pattern(index)?.test(path));
    return [...new Set(found.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  }

  #pattern(index: number): RegExp | undefined {
    return this.#router.routes[index]?.[1];
  }
}
