/**
 * Records of a file, one after the other: lines of JSON or rows of CSV, with the number of the line. Only one record is
 * in memory, and none is longer than a bound. Messages name the line and never repeat it.
 */
/*! The program contains csv-parse, Copyright (c) 2010 Adaltas, under the MIT licence.
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
 * documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
 * rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
 * permit persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright
 * notice and this permission notice shall be included in all copies or substantial portions of the Software. THE
 * SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
 * WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS
 * OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
 * OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { CsvError, type Info, parse } from 'csv-parse';
import { objectOf } from '../arguments/values.ts';
import { UsageError, unusable } from '../exit.ts';

export type FileRecord = { readonly line: number; readonly values: Readonly<Record<string, unknown>> };

export type Format = { readonly type: 'csv'; readonly delimiter: string } | { readonly type: 'ndjson' };

/** Longer than a key with all its fields at their largest. */
export const MAX_RECORD_CHARACTERS = 128 * 1024;

/** The format by its name, or else by the end of the file's name. */
export function formatOf(path: string, name: string | undefined, delimiter: string | undefined): Format {
  const type = name ?? /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase();
  if (delimiter !== undefined && [...delimiter].length !== 1 && delimiter !== '\\t') {
    throw new UsageError('--delimiter must be one character, or \\t');
  }
  if (type === 'csv' || type === 'tsv') {
    const given = delimiter === '\\t' ? '\t' : delimiter;
    return { type: 'csv', delimiter: given ?? (type === 'tsv' ? '\t' : ',') };
  }
  if (type === 'ndjson' || type === 'jsonl' || type === 'json') return { type: 'ndjson' };
  throw new UsageError('--format csv or --format ndjson? The name of the file does not say');
}

/** Reads the file from its start. `digest()` is the SHA-256 of what was read, once all was. */
export class RecordFile {
  readonly #path: string;
  readonly #format: Format;
  #hash: Hash = createHash('sha256');

  constructor(path: string, format: Format) {
    this.#path = path;
    this.#format = format;
  }

  digest(): string {
    return this.#hash.copy().digest('hex');
  }

  records(): AsyncIterable<FileRecord> {
    this.#hash = createHash('sha256');
    return this.#format.type === 'csv' ? csvRecords(this.#text(), this.#format.delimiter) : jsonRecords(this.#text());
  }

  async *#text(): AsyncGenerator<string> {
    const decoder = new TextDecoder('utf-8', { fatal: true });
    const decode = (bytes?: Uint8Array) => {
      try {
        return bytes === undefined ? decoder.decode() : decoder.decode(bytes, { stream: true });
      } catch {
        throw unusable(`${this.#path} is not UTF-8`);
      }
    };
    const source = createReadStream(this.#path)[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await source.next().catch((error: NodeJS.ErrnoException) => {
        throw unusable(`${this.#path} cannot be read: ${error.code}`);
      });
      if (done) break;
      this.#hash.update(value);
      yield decode(value);
    }
    yield decode();
  }
}

async function* jsonRecords(chunks: AsyncIterable<string>): AsyncGenerator<FileRecord> {
  let rest = '';
  let line = 0;
  const record = (text: string): FileRecord[] => {
    line += 1;
    if (text.length > MAX_RECORD_CHARACTERS) throw tooLong(line);
    if (text.trim() === '') return [];
    const values = objectOf(text);
    if (values === null) throw unusable(`Line ${line} is not a JSON object`);
    return [{ line, values }];
  };
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const text of lines) yield* record(text);
    if (rest.length > MAX_RECORD_CHARACTERS) throw tooLong(line + 1);
  }
  yield* record(rest);
}

const tooLong = (line: number) => unusable(`Line ${line} is longer than ${MAX_RECORD_CHARACTERS} characters`);

async function* csvRecords(chunks: AsyncIterable<string>, delimiter: string): AsyncGenerator<FileRecord> {
  const parser = parse({
    delimiter,
    info: true,
    // The number of columns is checked below, with the number of the line.
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_CHARACTERS,
  });
  // Its end and its errors come out of the parser.
  pipeline(Readable.from(chunks), parser, () => {});
  let header: readonly string[] | null = null;
  let previous = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      // A record may have line ends within quotes; it is found by its first line.
      const line = previous + 1;
      previous = info.lines;
      if (header === null) {
        header = headerOf(record);
        continue;
      }
      if (record.length !== header.length) {
        throw unusable(`Line ${line} has ${record.length} columns, and the first line has ${header.length}`);
      }
      const values: Record<string, unknown> = Object.create(null);
      for (const [at, name] of header.entries()) if (record[at] !== '') values[name] = record[at];
      yield { line, values };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    if (error.code === 'CSV_MAX_RECORD_SIZE') throw tooLong(previous + 1);
    throw unusable(`The record from line ${previous + 1} is not CSV: its quotes do not match`);
  }
  if (header === null) throw unusable('The file is empty: the first line of CSV names the columns');
}

function headerOf(record: readonly string[]): readonly string[] {
  const names = record.map((name) => name.trim());
  if (new Set(names).size < names.length) throw unusable('Two columns of the first line have the same name');
  return names;
}
