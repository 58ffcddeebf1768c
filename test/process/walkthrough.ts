/** The curl lines that the server prints, taken from its output and run as a user's shell would. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { WALKTHROUGH_HEADING } from '../../selfhost/walkthrough.ts';
import { ROOT } from './server.ts';

/** Exactly the lines to paste. */
export function printedLines(stdout: string): string {
  const [, after = ''] = stdout.split(`${WALKTHROUGH_HEADING}\n\n`);
  const [lines = ''] = after.split('\n\n');
  return `${lines}\n`;
}

/** Runs the lines with the given shell; the answers that are JSON, in order. */
export async function run(lines: string, shell = 'bash', env: NodeJS.ProcessEnv = {}): Promise<unknown[]> {
  // Without stdin: bash would take a socket there for a remote login, and read start-up files.
  const child = spawn(shell, ['-c', lines], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', ...env },
  });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  if (stderr !== '') throw new Error(`the lines wrote to stderr: ${stderr}`);
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): unknown => JSON.parse(line));
}
