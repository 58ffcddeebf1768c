/**
 * Whether storage may grow. A self-hosted server keeps a reserve on its disk (selfhost/reserve.ts) for what must
 * succeed on a full disk: ending a key, and opening the database of a tenant that nobody asked for lately, so that
 * its keys verify. While the reserve is needed, changes that add data are refused.
 *
 * The launcher keeps a marker file in a folder that the Worker can read, as long as growth is allowed. Without such a
 * folder, as on Cloudflare, growth is always allowed.
 */

export type ReserveBinding = { readonly RESERVE?: Reserve };

/** The service that serves the files of the folder. */
type Reserve = { fetch(url: string, init: { readonly method: string }): Promise<{ readonly status: number }> };

/** The binding leads to the folder whatever the host; the launcher chose the name of the file. */
const MARKER_URL = 'http://reserve/open';
/** How long a check is remembered. In a second, a server grows by less than the room that is left when growth ends. */
const REMEMBERED_MS = 1_000;

type Check = { mayGrow: boolean; checkedAt: number };

/** The last check, by binding. An isolate has one binding at most. */
const lastChecks = new WeakMap<Reserve, Check>();

/** Whether a change that adds data may be made, as of at most a second ago. */
export async function mayGrow({ RESERVE: reserve }: ReserveBinding, now: number): Promise<boolean> {
  if (reserve === undefined) return true;
  const last = lastChecks.get(reserve) ?? { mayGrow: true, checkedAt: Number.NEGATIVE_INFINITY };
  // When the clock was set back, a check must not be remembered for longer.
  if (now >= last.checkedAt && now - last.checkedAt < REMEMBERED_MS) return last.mayGrow;
  const isFirst = last.checkedAt === Number.NEGATIVE_INFINITY;
  // One request checks; until it is done, others use the last check if there is one. They cannot wait for this
  // request's check: the platform cancels it when its request ends.
  const next = { mayGrow: last.mayGrow, checkedAt: isFirst ? last.checkedAt : now };
  lastChecks.set(reserve, next);
  next.mayGrow = await isMarked(reserve, last.mayGrow);
  next.checkedAt = now;
  return next.mayGrow;
}

/**
 * Whether the marker is there; `otherwise` when the folder cannot be read. A write that does not fit
 * then fails by itself.
 */
async function isMarked(reserve: Reserve, otherwise: boolean): Promise<boolean> {
  try {
    const { status } = await reserve.fetch(MARKER_URL, { method: 'HEAD' });
    return status === 404 ? false : status === 200 ? true : otherwise;
  } catch {
    return otherwise;
  }
}
