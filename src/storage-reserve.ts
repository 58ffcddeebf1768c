/**
 * Whether storage may grow. A self-hosted server keeps a reserve on its disk (selfhost/reserve.ts) for what must succeed when the disk is full: to end
 * a key, and to open a sleeping tenant so that its keys verify. While it is needed for that, nothing else may grow.
 *
 * The answer is a file in a folder that the Worker can read: it is there while growth is allowed. Where there is no such folder, as on Cloudflare,
 * growth is always allowed.
 */

export type ReserveBinding = { readonly RESERVE?: Reserve };

/** A service that serves the files of the folder. */
type Reserve = { fetch(url: string, init: { readonly method: string }): Promise<{ readonly status: number }> };

/** Any host does: the binding leads to the folder. The name of the file is the launcher's. */
const MARKER_URL = 'http://reserve/open';
/** How long an answer is remembered. In a second a server grows by less than what is left when growth ends. */
const REMEMBERED_MS = 1_000;

type Remembered = { mayGrow: boolean; askedAt: number };

/** By binding, of which an isolate has one. */
const remembered = new WeakMap<Reserve, Remembered>();

/** Whether a change may make storage grow, as of at most a second ago. What only ends something need not ask. */
export async function mayGrow({ RESERVE: reserve }: ReserveBinding, now: number): Promise<boolean> {
  if (reserve === undefined) return true;
  const last = remembered.get(reserve) ?? { mayGrow: true, askedAt: Number.NEGATIVE_INFINITY };
  // A clock that was set back must not keep an answer for longer.
  if (now >= last.askedAt && now - last.askedAt < REMEMBERED_MS) return last.mayGrow;
  const isFirst = last.askedAt === Number.NEGATIVE_INFINITY;
  // One request asks; others meanwhile take the last answer, if there is one. They could not wait for this one's: it may end before them.
  const next = { mayGrow: last.mayGrow, askedAt: isFirst ? last.askedAt : now };
  remembered.set(reserve, next);
  next.mayGrow = await isMarked(reserve, last.mayGrow);
  next.askedAt = now;
  return next.mayGrow;
}

/** A folder that cannot be read says nothing: the last answer stands, and a write that does not fit fails by itself. */
async function isMarked(reserve: Reserve, otherwise: boolean): Promise<boolean> {
  try {
    const { status } = await reserve.fetch(MARKER_URL, { method: 'HEAD' });
    return status === 404 ? false : status === 200 ? true : otherwise;
  } catch {
    return otherwise;
  }
}
