/**
 * Finds the route for a method and a path. itty-router compiles the patterns. Its `fetch` is not used, because it
 * parses the URL again: that costs time for every request, and it folds a path like `/a/../b`, which a proxy in
 * front saw unfolded.
 */
import { IttyRouter } from 'itty-router/IttyRouter';

/** Parameters of a path, not decoded. */
export type PathParams = Readonly<Record<string, string | undefined>>;

/**
 * `path` is a pattern: a segment that starts with a colon matches any text that is not empty. If it is the last one and
 * ends with a plus, it matches the whole rest of a path, whatever that is.
 */
type Pattern = {
  readonly method: string;
  /** Whether it matches every other method too. */
  readonly anyMethod?: boolean;
  readonly path: string;
};

/**
 * No route but those of any rest has a longer path: the longest holds a tenant id of 63 characters and an owner of 128,
 * each of them encoded as up to nine.
 */
export const PATH_LENGTH_MAX = 1536;

export class RouteTable<R extends Pattern> {
  readonly #router = IttyRouter();
  readonly #routes: readonly R[];

  constructor(routes: readonly R[]) {
    this.#routes = routes;
    // itty-router wants a handler for each pattern, but only its compiled pattern is used.
    for (const { path } of routes) this.#router.all(path, () => {});
  }

  /**
   * The first route that matches, and the parameters of the path; null without one. HEAD finds the GET route: the
   * platform leaves out the body of the response.
   */
  find(method: string, path: string): { readonly route: R; readonly params: PathParams } | null {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const isUsual = mayLeadSomewhere(path);
    for (const [index, route] of this.#routes.entries()) {
      if (!isUsual && !matchesAnyRest(route)) continue;
      const match = route.anyMethod || route.method === wanted ? this.#pattern(index)?.exec(path) : null;
      if (match) return { route, params: match.groups ?? {} };
    }
    return null;
  }

  /** The methods of the routes that match the path, as `Allow` lists them. */
  methodsAt(path: string): string[] {
    if (!mayLeadSomewhere(path)) return [];
    const found = this.#routes.filter((_, index) => this.#pattern(index)?.test(path));
    return [...new Set(found.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  }

  #pattern(index: number): RegExp | undefined {
    return this.#router.routes[index]?.[1];
  }
}

const matchesAnyRest = ({ path }: Pattern) => path.endsWith('+');

/** The library's patterns also match slashes at the end, which would be further names of the same place. */
const mayLeadSomewhere = (path: string) => path.length <= PATH_LENGTH_MAX && !path.endsWith('/');
