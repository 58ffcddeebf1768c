/** What another process is: its command line. By it a process is told from another that was given the same number later. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The command line of a process, empty when there is none of that number. Linux without `ps`, other systems with it. */
export function commandOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    return '';
  }
}
