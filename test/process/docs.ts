/**
 * The project's Markdown pages, as programs and as texts.
 *
 * A page's program is its `sh` blocks between `<!-- run -->` and `<!-- /run -->`, in order and in one shell. A `json`
 * or `text` block right after one is the output that it must print; without such a block it must print nothing.
 * `<!-- restart -->` stops the server and starts it again. A page sets up everything that it needs: no other page runs
 * before it, and its server is its own.
 *
 * Values that differ between runs (ids, key strings, times) are replaced by numbered names before a comparison.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { eventually, ROOT } from './server.ts';

/** Every Markdown page of the project, by its path from the root. */
export const PAGES: ReadonlyMap<string, string> = new Map(
  globSync(['*.md', 'docs/**/*.md', 'examples/*/*.md', '.github/**/*.md'], { cwd: ROOT })
    .toSorted()
    .map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
);

/** The text of a page. */
export function pageAt(path: string): string {
  const page = PAGES.get(path);
  if (page === undefined) throw new Error(`there is no page ${path}`);
  return page;
}

/** The address that the pages use, the default one. */
const SHOWN_URL = 'http://127.0.0.1:8787';

export type Step =
  | { readonly kind: 'restart' }
  | { readonly kind: 'run'; readonly script: string; readonly shown: string | null };

/** The steps between `<!-- name -->` and `<!-- /name -->` of a page, from all such places in order. */
export function stepsOf(name: string, page: string): Step[] {
  const places = [...page.matchAll(new RegExp(`^<!-- ${name} -->$(.*?)^<!-- /${name} -->$`, 'gms'))];
  const pieces = places.flatMap(([, place = '']) => [
    ...place.matchAll(/^```sh\n(.*?)^```$(?:\n\n```(?:json|text)\n(.*?)^```$)?|^<!-- restart -->$/gms),
  ]);
  return pieces.map(([, script, shown = null]) =>
    script === undefined ? { kind: 'restart' } : { kind: 'run', script, shown },
  );
}

/** The first fenced block of a page in a language. */
export function fenced(language: string, page: string): string {
  return new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1] ?? '';
}

/** A page without its fenced blocks: in their place are as many empty lines. */
export function proseOf(page: string, languages = '[a-z]*'): string {
  const blocks = new RegExp(`^( *)\`\`\`(?:${languages})\n.*?^\\1\`\`\`$`, 'gms');
  return page.replace(blocks, (block) => block.replace(/[^\n]/g, ''));
}

/** The anchors that GitHub gives to the headings of a page: lower case, no punctuation, `-1` after a repeated one. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, title = ''] of proseOf(page).matchAll(/^#{1,6} (.+)$/gm)) {
    const text = title.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').trim();
    const anchor = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n++) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** The targets of the links and images of a page, as written. */
export function linksOf(page: string): string[] {
  const prose = proseOf(page).replace(/`[^`\n]*`/g, '');
  const inline = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g)];
  const definitions = [...prose.matchAll(/^\[[^\]]+\]: +<?([^\s>]+)>?/gm)];
  return [...inline, ...definitions].map(([, target = '']) => target);
}

/** The cells of the rows of every table of a page whose header starts with these columns. */
export function rowsOf(page: string, ...columns: readonly string[]): string[][] {
  const tables = page.matchAll(/^(\|.*\|)\n\|[-|]+\|\n((?:\|.*\|\n)+)/gm);
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  return [...tables]
    .filter(([, header = '']) => columns.every((column, i) => cells(header)[i] === column))
    .flatMap(([, , body = '']) => body.trimEnd().split('\n').map(cells));
}

/** The node that runs the tests comes first, because the node of a machine may be any. */
export const SEARCH_PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`;

/** Lets only so many work at a time; the others wait for their turn. */
export class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free -= 1;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

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

  /** Runs a script against the server and returns what it printed. Throws when it wrote to stderr. */
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

/** Ids, as pages shorten them (`key_…JOXhf`) or in full. */
const ID = /\b(?<kind>key|rot|op|req)_(?:…[0-9A-Za-z]{5}|[0-9A-Za-z]{17})/;
/** Key strings, of which pages show both ends (`ks_0ERz…5gKv`), or in full. */
const KEY = /\b(?<prefix>[a-z][a-z0-9_]*)_(?:[0-9A-Za-z]{4}…[0-9A-Za-z]{4}|[0-9A-Za-z]{92})\b/;
const VARYING = new RegExp(`${ID.source}|${KEY.source}`, 'g');

/** Replaces what varies, numbering ids in the order in which they appear. Each side of a comparison needs its own. */
export class Normalizer {
  readonly #numbers = new Map<string, string>();

  /** The answers in a text: JSON documents parsed, other lines as they are. */
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
