/**
 * `keystead keys import FILE`: hashes of keys that another service issued. Each row is imported once; see run.ts for
 * how. The service keeps the answer of a batch for a day. After that, a batch whose answer was lost is refused as a
 * whole, since its hashes are there, and that shows that it was applied: batches are applied all or not at all.
 */
import { KeysteadError } from '../../http/errors.ts';
import type { Operation } from '../api/operations.ts';
import { ownFlag } from '../arguments/global-flags.ts';
import { isGiven, type Run, textOf } from '../commands/command.ts';
import type { Differences } from '../commands/operation-command.ts';
import { EXIT, Unfinished, UsageError } from '../exit.ts';
import { printAnswer } from '../output/print.ts';
import { grouped } from '../output/progress.ts';
import type { Counts } from './journal.ts';
import { LineFault, Mapping, type Row } from './mapping.ts';
import { BULK_FLAGS, runBulk, type Sending } from './run.ts';

export const IMPORT: Differences = {
  positionals: [{ name: 'FILE', description: 'The file, CSV with a header or NDJSON.', required: true }],
  onlyFlags: [
    ...BULK_FLAGS,
    ownFlag('algorithm', 'NAME', 'The algorithm of the hashes. sha256 by default, and the only one.'),
    ownFlag('encoding', 'hex|base64|base64url', 'How the hashes are written. By default each is recognised.'),
    ownFlag('skip-existing', null, 'Passes over rows whose hash the tenant has already.'),
  ],
  description:
    'Every line is checked before the first is sent. A journal beside the file says what is done: when the command ' +
    'is interrupted, the same command goes on, and imports each row once. Lines of NDJSON, and columns of CSV, have ' +
    'the names of fields, or --map names them: hash, name, owner, scopes, metadata, expiresAt, createdAt, enabled, ' +
    'plan, prefix, hint and others. `metadata.team=column` sets one member.',
  run: importFile,
};

async function importFile(run: Run): Promise<number> {
  const operation = run.command.operation as Operation;
  const algorithm = textOf(run, 'algorithm') ?? 'sha256';
  if (algorithm !== 'sha256') {
    throw new UsageError('--algorithm must be sha256: slow hashes cannot be checked at the speed of API calls');
  }
  const encoding = textOf(run, 'encoding');
  if (encoding !== undefined && !ENCODINGS.has(encoding)) {
    throw new UsageError('--encoding must be hex, base64 or base64url');
  }
  const texts = (name: string) => run.flags.get(name) ?? [];
  const item = Object.values(operation.body?.properties ?? {}).find(({ items }) => items !== undefined)?.items ?? {};
  const mapping = new Mapping(item, texts('map'), texts('set'), {
    hash: (value) => hashOf(value, algorithm, encoding),
  });
  const skipsExisting = isGiven(run, 'skip-existing');
  const counts = await runBulk(run, {
    operation,
    mapping,
    flags: [algorithm, encoding ?? ''],
    verb: 'Importing',
    check: noDuplicates(),
    apply: (sending) => applyBatch(run, sending, skipsExisting),
  });
  if (counts !== null) await printAnswer(run, { imported: counts.rows, skipped: counts.skipped }, null);
  return EXIT.ok;
}

/** The forms of the 32 bytes of SHA-256. What fits the first fits no other. */
const ENCODINGS: ReadonlyMap<string, RegExp> = new Map([
  ['hex', /^[0-9a-fA-F]{64}$/],
  ['base64', /^[A-Za-z0-9+/]{43}=?$/],
  ['base64url', /^[A-Za-z0-9_-]{43}=?$/],
]);

type Hash = { readonly algorithm: string; readonly value: string; readonly encoding: string };

/** A hash with its algorithm and encoding, written as the service wants it. One that is complete stays as it is. */
function hashOf(value: unknown, algorithm: string, encoding: string | undefined): unknown {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  const text = String(value).trim();
  const found = [...ENCODINGS].find(([name, form]) => (encoding ?? name) === name && form.test(text));
  if (found === undefined) throw notSha256();
  const [name] = found;
  const canonical = bytesOf({ algorithm, value: text, encoding: name }).toString(name as BufferEncoding);
  // The last digit of a Base64 text has bits that must be 0.
  if (canonical.replace('=', '') !== (name === 'hex' ? text.toLowerCase() : text.replace('=', ''))) throw notSha256();
  return { algorithm, value: canonical, encoding: name };
}

const notSha256 = () => new LineFault('hash is not a SHA-256 in that encoding');

const bytesOf = ({ value, encoding }: Hash): Buffer => Buffer.from(value, encoding === 'hex' ? 'hex' : 'base64');

/** Bytes of a hash that tell it apart: 128 bits, so that a million lines take tens of megabytes. */
const COMPARED_BYTES = 16;

/** A check that finds a hash that the file has twice. */
function noDuplicates(): (row: Row) => void {
  const seen = new Set<string>();
  return ({ body }) => {
    const bytes = bytesOf(body.hash as Hash);
    if (bytes.length !== 32) throw notSha256();
    const compared = bytes.subarray(0, COMPARED_BYTES).toString('latin1');
    if (seen.has(compared)) throw new LineFault('the hash stands in an earlier line too');
    seen.add(compared);
  };
}

/** Imports the batch, or finds that it was imported before. */
async function applyBatch(
  run: Run,
  { rows, lines, mayBeApplied, send }: Sending,
  skipsExisting: boolean,
): Promise<Counts> {
  try {
    await send(rows);
    return { rows: rows.length, skipped: 0 };
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    const existing = await existingOf(rows, send);
    if (mayBeApplied && existing.size === rows.length) {
      await run.printer.hint(
        `All hashes of lines ${lines[0]} to ${lines[1]} are there: the interrupted run has imported them.`,
      );
      return { rows: rows.length, skipped: 0 };
    }
    if (!skipsExisting) {
      const numbers = [...existing].map(({ line }) => line);
      const more = numbers.length > SHOWN_LINES ? ` and ${grouped(numbers.length - SHOWN_LINES)} more` : '';
      await run.printer.warn(
        `The tenant has keys with the hashes of lines ${numbers.slice(0, SHOWN_LINES).join(', ')}${more} already. ` +
          'To pass over such lines: --skip-existing',
      );
      throw error;
    }
    const missing = rows.filter((row) => !existing.has(row));
    if (missing.length > 0) await send(missing);
    return { rows: missing.length, skipped: existing.size };
  }
}

const SHOWN_LINES = 10;

/** How many rows a probe asks about. A refusal names up to 100 duplicates, and one is the row that stands twice. */
const PROBED_ROWS = 99;

/**
 * The rows whose hashes the tenant has. Each probe is a request that has one row twice. It is always refused as a
 * whole, so it imports nothing, and the refusal names the rows that are there.
 */
async function existingOf(rows: readonly Row[], send: Sending['send']): Promise<ReadonlySet<Row>> {
  const existing = new Set<Row>();
  for (let at = 0; at < rows.length; at += PROBED_ROWS) {
    const probed = rows.slice(at, at + PROBED_ROWS);
    try {
      await send([...probed, ...probed.slice(0, 1)]);
      throw new Unfinished('The service took a row twice. Nothing more was sent');
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      for (const { index, keyId } of error.duplicates) {
        const row = keyId === undefined ? undefined : probed[index];
        if (row !== undefined) existing.add(row);
      }
    }
  }
  return existing;
}

type Duplicates = { readonly duplicates: readonly { readonly index: number; readonly keyId?: string }[] };

const isDuplicate = (error: unknown): error is KeysteadError & Duplicates =>
  error instanceof KeysteadError && error.code === 'hash_exists' && Array.isArray(error.duplicates);
