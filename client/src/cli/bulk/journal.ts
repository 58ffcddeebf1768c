/**
 * The journal of a long command: a line for each batch that was begun and for each that is done, synced to disk before
 * the command goes on. It holds numbers and digests, no key and no hash of one.
 *
 * A line that was cut off by a crash is taken away. A batch that was begun and is not done is sent again with the same
 * Idempotency-Key, so it is applied once whether or not the first sending was.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { objectOf } from '../arguments/values.ts';
import { unusable } from '../exit.ts';

const FILE_MODE = 0o600;
const MAGIC = 'keystead-journal-1';
/** How its first line begins; the plan follows. */
const START = `{"journal":"${MAGIC}","plan":"`;

export type Batch = {
  readonly index: number;
  /** The first and the last line of the file that it has rows of. */
  readonly lines: readonly [number, number];
};

/** How the work of a journal ended: rows that were sent and applied, and rows that were there before. */
export type Counts = { readonly rows: number; readonly skipped: number };

export class Journal {
  readonly path: string;
  readonly #file: number;
  /** When each batch was begun first, in milliseconds. */
  readonly #begun = new Map<number, number>();
  readonly #done = new Map<number, Counts>();

  /** Opens the journal of this plan, or begins it. Refuses the journal of another plan. */
  constructor(path: string, plan: string) {
    this.path = path;
    try {
      this.#file = openSync(path, 'a+', FILE_MODE);
    } catch (error) {
      throw unusable(`The journal ${path} cannot be opened: ${(error as NodeJS.ErrnoException).code}`);
    }
    const text = readFileSync(this.#file, 'utf8');
    // Complete lines are ASCII, so that characters are bytes.
    const complete = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = complete.split('\n').slice(0, -1).map(objectOf);
    const [first] = lines;
    // Of a journal whose first line was cut off there is a part of it.
    const isOurs = first === undefined ? `${START}${plan}"}`.startsWith(text) : first?.journal === MAGIC;
    if (!isOurs || lines.includes(null)) throw unusable(`${path} is not a journal; name another one with --state FILE`);
    if (first !== undefined && first?.plan !== plan) {
      throw unusable(
        `${path} is the journal of other work: another file, other flags, or another target. ` +
          'Finish that, or say --state FILE',
      );
    }
    if (complete.length < text.length) ftruncateSync(this.#file, complete.length);
    for (const line of lines) this.#take(line ?? {});
    if (first === undefined) {
      this.#append({ journal: MAGIC, plan });
      syncFolder(dirname(path));
    }
  }

  #take({ begin, at, refused, done, rows, skipped }: Record<string, unknown>): void {
    if (typeof refused === 'number') this.#begun.delete(refused);
    if (typeof begin === 'number' && !this.#begun.has(begin)) this.#begun.set(begin, Number(at));
    if (typeof done === 'number') this.#done.set(done, { rows: Number(rows), skipped: Number(skipped) });
  }

  isDone(index: number): boolean {
    return this.#done.has(index);
  }

  /** When the batch was begun; undefined if it was not. */
  begunAt(index: number): number | undefined {
    return this.#begun.get(index);
  }

  get counts(): Counts {
    const all = [...this.#done.values()];
    const sum = (of: (counts: Counts) => number) => all.reduce((total, counts) => total + of(counts), 0);
    return { rows: sum(({ rows }) => rows), skipped: sum(({ skipped }) => skipped) };
  }

  begin({ index, lines }: Batch, now: number): void {
    if (this.#begun.has(index)) return;
    this.#append({ begin: index, lines, at: now });
    this.#begun.set(index, now);
  }

  /** The batch was sent, and surely not applied. */
  refused({ index }: Batch): void {
    this.#append({ refused: index });
    this.#begun.delete(index);
  }

  done({ index }: Batch, counts: Counts): void {
    this.#append({ done: index, ...counts });
    this.#done.set(index, counts);
  }

  #append(line: object): void {
    try {
      writeSync(this.#file, `${JSON.stringify(line)}\n`);
      fsyncSync(this.#file);
    } catch (error) {
      throw unusable(`The journal ${this.path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** A new name is durable only after its folder is synced. */
function syncFolder(path: string): void {
  // Windows cannot open folders.
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}
