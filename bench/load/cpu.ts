/**
 * Processor time of a process with all its threads. Linux counts it in nanoseconds in the scheduler's statistics.
 * Elsewhere it comes from `ps`, whose hundredths of seconds make short runs coarse. The time of a thread that has ended
 * is lost, but the servers measured here keep their threads.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Microseconds that the process has spent on a processor so far. */
export function cpuMicros(pid: number): number {
  if (process.platform === 'linux') {
    const tasks = `/proc/${pid}/task`;
    return readdirSync(tasks).reduce((sum, task) => sum + threadMicros(`${tasks}/${task}/schedstat`), 0);
  }
  return psMicros(execFileSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' }));
}

/** First field: nanoseconds on a processor, in user and system mode (Documentation/scheduler/sched-stats.rst). */
function threadMicros(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8').split(' ')[0]) / 1000;
  } catch {
    // The thread ended between the two reads.
    return 0;
  }
}

/** `[[dd-]hh:]mm:ss[.cc]` */
function psMicros(time: string): number {
  const [clock = '', days = '0'] = time.trim().split('-').reverse();
  const seconds = clock.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
  return (Number(days) * 86_400 + seconds) * 1e6;
}
