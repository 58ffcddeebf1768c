/**
 * The README as a program: the shell blocks between its `<!-- run -->` lines, each with the answer that the page shows, and a shell to run them in. What differs
 * from one run to the next (ids, key strings, times) is replaced by what it is, numbered as it comes, on both sides.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { eventually, ROOT } from './server.ts';

export const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** The address that the page uses, the default one. */
const SHOWN_URL = 'http://127.0.0.1:8787';

export type Step =
  | { readonly kind: 'restart' }
  | { readonly kind: 'run'; readonly script: string; readonly shown: string | null };

/** The steps between `<!-- name -->` and `<!-- /name -->`, all such places of the page in one. */
export function stepsOf(name: string, page = README): Step[] {
  const places = [...page.matchAll(new RegExp(`^<!-- ${name} -->$(.*?)^<!-- /${name} -->$`, 'gms'))];
  const pieces = places.flatMap(([, place = '']) => [
    ...place.matchAll(/^```sh\n(.*?)^```$(?:\n\n```(?:json|text)\n(.*?)^```$)?|^<!-- restart -->$/gms),
  ]);
  return pieces.map(([, script, shown = null]) =>
    script === undefined ? { kind: 'restart' } : { kind: 'run', script, shown },
  );
}

/** A fenced block by its language, the first one of its kind. */
export function fenced(language: string, page = README): string {
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1] ?? '';
}

/** The node that runs the tests comes first: a machine's own may be any. */
export const SEARCH_PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`;

/** A bash that keeps its variables from script to script, in a folder of its own. */
export class Shell implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  #stdout = '';
  #stderr = '';

  constructor(folder: string, path = SEARCH_PATH) {
    this.#folder = folder;
    this.#process = spawn('bash', ['--norc', '--noprofile', '-s'], {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: path },
    });
    this.#process.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#stdout += text;
    });
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr += text;
    });
  }

  /** Runs a script against the server; what it printed. Throws when it wrote to stderr. */
  async run(script: string, url: string): Promise<string> {
    const end = '--- end of the script ---\n';
    const file = join(this.#folder, 'step.sh');
    writeFileSync(file, script.replaceAll(SHOWN_URL, url));
    this.#stdout = '';
    this.#process.stdin?.write(`. '${file}' </dev/null; printf '%s' '${end}'\n`);
    await eventually('the script ends', 30_000, () => this.#stdout.endsWith(end) || this.#process.exitCode !== null);
    if (this.#stderr !== '') throw new Error(`the script wrote to stderr: ${this.#stderr}\n${script}`);
    return this.#stdout.slice(0, -end.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#process, 'close');
    this.#process.kill('SIGKILL');
    await closed;
  }
}

/** What an id looks like on the page, `key_…JOXhf`, and in truth; a key string shows both its ends, `ks_0ERz…5gKv`. */
const VARYING =
  /\b(?<kind>key|rot|op|req)_(?:…[0-9A-Za-z]{5}|[0-9A-Za-z]{17})|\b(?<prefix>[a-z][a-z0-9_]*)_(?:[0-9A-Za-z]{4}…[0-9A-Za-z]{4}|[0-9A-Za-z]{92})\b/g;

/** Takes out what varies. One for each side of a comparison: ids are numbered as they come. */
export class Normalizer {
  readonly #numbers = new Map<string, string>();

  /** The answers in a text: JSON as what it says, other lines as they are. */
  read(text: string): unknown[] {
    // A document starts at the beginning of a line; its further lines are indented, or close it.
    const pieces = this.#named(text).match(/^\{\n[\s\S]*?^\}$|^.+$/gm) ?? [];
    return pieces.map((piece) => (piece.startsWith('{') ? JSON.parse(piece) : piece.trimEnd()));
  }

  #named(text: string): string {
    return text
      .replace(VARYING, (found, kind?: string, prefix?: string) =>
        this.#numbered(found, kind ?? `${prefix} key string`),
      )
      .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '<time>')
      .replace(/_\.\.\.[0-9A-Za-z]{4}"/g, '_...<four>"')
      .replace(/"nextCursor": ?"[\w…-]+"/g, '"nextCursor":"<cursor>"')
      .replace(/"durationMs": ?\d+/g, '"durationMs":0');
  }

  #numbered(found: string, kind: string): string {
    const known = this.#numbers.get(found);
    if (known !== undefined) return known;
    const number = [...this.#numbers.values()].filter((name) => name.startsWith(`<${kind} `)).length + 1;
    this.#numbers.set(found, `<${kind} ${number}>`);
    return `<${kind} ${number}>`;
  }
}
