/**
 * The curl lines that the server prints, taken from its output and run as in a user's shell, with a record of their
 * programs' arguments.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { WALKTHROUGH_HEADING } from '../../selfhost/walkthrough.ts';
import { ROOT } from './server.ts';

/** Exactly the lines to paste. */
export function printedLines(stdout: string): string {
  const [, after = ''] = stdout.split(`${WALKTHROUGH_HEADING}\n\n`);
  const [lines = ''] = after.split('\n\n');
  return `${lines}\n`;
}

/** Runs the lines in the given shell and returns the responses that are JSON, in order. */
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

/**
 * Puts programs first in a search path that write down their arguments, which `ps` would show to every user of the
 * machine. What a shell does by itself (variables, `printf`, here-documents) starts no program.
 */
export class ArgumentRecorder {
  /** The search path with the recorder's programs first. */
  readonly path: string;
  readonly #record: string;

  constructor(folder: string, searchPath: string) {
    this.#record = join(folder, 'arguments');
    this.path = `${folder}${delimiter}${searchPath}`;
    writeFileSync(this.#record, '');
    for (const name of ['curl', 'sed', 'grep', 'cut', 'tr', 'cat', 'node', 'npm', 'printenv', 'openssl', 'mktemp']) {
      const found = searchPath.split(delimiter).find((candidate) => existsSync(join(candidate, name)));
      if (found === undefined) continue;
      const script = `#!/bin/sh\nprintf '%s\\n' "${name} $*" >>'${this.#record}'\nexec '${join(found, name)}' "$@"\n`;
      writeFileSync(join(folder, name), script);
      chmodSync(join(folder, name), 0o700);
    }
  }

  /** All arguments so far. */
  read(): string {
    return readFileSync(this.#record, 'utf8');
  }
}
