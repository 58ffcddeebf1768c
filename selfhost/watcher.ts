/**
 * Ends the runtime when the launcher is killed without a chance to react (kill -9, out of memory). Otherwise the
 * runtime would keep the port and the data. The watcher is a shell that waits for a pipe to close, which the system
 * does however the launcher ends. It costs next to nothing and works on every Unix.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** Gives the runtime as many seconds to end as the launcher itself would (server.ts), then kills it. */
const SCRIPT = `
trap '' HUP INT TERM
cat >/dev/null
kill -TERM "$1" || exit
for second in 1 2 3 4 5 6 7 8; do sleep 1; kill -0 "$1" || exit; done
kill -KILL "$1"
`;

/**
 * Starts watching the process. The caller must kill the watcher once that process has ended, before its number is
 * reused.
 */
export function startWatcher(pid: number): ChildProcess {
  return spawn('sh', ['-c', SCRIPT, 'keystead-watcher', String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
}
