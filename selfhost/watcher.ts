/**
 * Ends the runtime when the launcher is killed in a way it cannot answer to (kill -9, out of memory): otherwise the runtime would keep the port and the
 * data. A shell that waits for a pipe to close, which the system does whatever way the launcher ends, costs next to nothing and works on
 * every Unix.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** The grace that the launcher itself would give (server.ts), in seconds, before the runtime is killed. */
const SCRIPT = `
trap '' HUP INT TERM
cat >/dev/null
kill -TERM "$1" || exit
for second in 1 2 3 4 5 6 7 8; do sleep 1; kill -0 "$1" || exit; done
kill -KILL "$1"
`;

/** Starts watching over the process. To be killed itself once that process has ended, before its number can be another's. */
export function startWatcher(pid: number): ChildProcess {
  return spawn('sh', ['-c', SCRIPT, 'keystead-watcher', String(pid)], { stdio: ['pipe', 'ignore', 'ignore'], env: {} });
}
