/**
 * Finds what answers a method and a path. Segments are compared as they were sent: nothing is decoded, and a trailing or a doubled slash is another path. A
 * table and not regular expressions, so that no path costs more than a look at each of its segments.
 */

/** Parameters of a path, as they stand in it. */
export type PathParams = Readonly<Record<string, string | undefined>>;

/** `path` is a pattern: a segment that starts with a colon takes any text that is not empty. */
type Pattern = { readonly method: string; readonly path: string };

/** Longer paths are nobody's: the longest of ours has 63 characters of tenant and 21 of a key in it. */
const PATH_LENGTH_MAX = 1024;

export class RouteTable<R extends Pattern> {
  /** By number of segments, in the order in which they were given. */
  readonly #routes = new Map<number, { readonly route: R; readonly pattern: readonly string[] }[]>();

  constructor(routes: readonly R[]) {
    for (const route of routes) {
      const pattern = route.path.split('/');
      const alike = this.#routes.get(pattern.length) ?? [];
      alike.push({ route, pattern });
      this.#routes.set(pattern.length, alike);
    }
  }

  /** The route, null for none. Where there is a GET there is a HEAD: the same answer, of which the platform leaves out the body. */
  find(method: string, path: string): { readonly route: R; readonly params: PathParams } | null {
    const wanted = method === 'HEAD' ? 'GET' : method;
    const segments = segmentsOf(path);
    for (const { route, pattern } of this.#routes.get(segments.length) ?? []) {
      if (route.method === wanted && matches(pattern, segments)) return { route, params: paramsOf(pattern, segments) };
    }
    return null;
  }

  /** Methods that the path takes, as `Allow` lists them. */
  methodsAt(path: string): string[] {
    const segments = segmentsOf(path);
    const found = (this.#routes.get(segments.length) ?? []).filter(({ pattern }) => matches(pattern, segments));
    return [...new Set(found.flatMap(({ route: { method } }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  }
}

const segmentsOf = (path: string) => (path.length > PATH_LENGTH_MAX ? [] : path.split('/'));

const isParam = (part: string) => part.startsWith(':');

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  return pattern.every((part, i) => (isParam(part) ? segments[i] !== '' : segments[i] === part));
}

function paramsOf(pattern: readonly string[], segments: readonly string[]): PathParams {
  const params: Record<string, string | undefined> = {};
  for (const [i, part] of pattern.entries()) if (isParam(part)) params[part.slice(1)] = segments[i];
  return params;
}
