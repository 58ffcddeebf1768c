/**
 * `keystead keys import FILE`: hashes of keys that another service issued. Each row is imported once; see run.ts for
 * how. The service keeps the answer of a batch for a day. After that, a batch whose answer was lost is refused as a
 * whole, since its hashes are there, and that shows that it was applied: batches are applied all or not at all.
 */
import { KeysteadError } from '../../http/errors.ts';
import { OPERATIONS, type Operation, type Schema } from '../api/operations.ts';
import { ownFlag } from '../arguments/global-flags.ts';
import { isGiven, type Run, textOf } from '../commands/command.ts';
import type { Differences } from '../commands/operation-command.ts';
import { EXIT, UsageError } from '../exit.ts';
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
    'Every line is checked before the first is sent. A journal beside the file says what is done: when the command is ' +
    'interrupted, the same command goes on, and imports each row once. Lines of NDJSON, and columns of CSV, have the ' +
    'names of fields, or --map names them: hash, name, owner, scopes, metadata, expiresAt, createdAt, enabled, plan, ' +
    'prefix, hint. `metadata.team=column` sets one member.',
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

/** How many characters the digest of SHA-256 has in each encoding. */
const ENCODINGS: ReadonlyMap<string, RegExp> = new Map([
  ['hex', /^[0-9a-fA-F]{64}$/],
  ['base64', /^[A-Za-z0-9+/]{43}=?$/],
  ['base64url', /^[A-Za-z0-9_-]{43}=?$/],
]);

/** A hash with its algorithm and encoding. One that is complete in the file stays as it is. */
function hashOf(value: unknown, algorithm: string, encoding: string | undefined): unknown {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  const text = String(value).trim();
  const found = [...ENCODINGS].find(
    ([name, form]) => (encoding === undefined || name === encoding) && form.test(text),
  );
  if (found === undefined) throw new LineFault(`hash is not a SHA-256${encoding === undefined ? '' : ` in ${encoding}`}`);
  const [name] = found;
  const padded = name === 'base64' ? text.padEnd(44, '=') : name === 'base64url' ? text.replace(/=$/, '') : text;
  return { algorithm, value: padded, encoding: name };
}

/** Characters of a digest that tell hashes apart: 128 bits, so that a million lines take tens of megabytes. */
const DIGEST_BYTES = 16;

/** A check that finds a hash that the file has twice. */
function noDuplicates(): (row: Row) => void {
  const seen = new Set<string>();
  return ({ body }) => {
    const { value = '', encoding } = Object(body.hash) as { readonly value?: string; readonly encoding?: string };
    const bytes = Buffer.from(value, encoding === 'hex' ? 'hex' : 'base64');
    if (bytes.length !== 32) throw new LineFault('hash is not a SHA-256');
    const digest = bytes.subarray(0, DIGEST_BYTES).toString('latin1');
    if (seen.has(digest)) throw new LineFault('the hash stands in an earlier line too');
    seen.add(digest);
  };
}

/** Imports the batch, or finds that it was imported before. */
async function applyBatch(run: Run, { rows, lines, mayBeApplied, send }: Sending, skipsExisting: boolean): Promise<Counts> {
  let left = rows;
  for (;;) {
    try {
      if (left.length > 0) await send(left);
      return { rows: left.length, skipped: rows.length - left.length };
    } catch (error) {
      const duplicates = duplicatesOf(error, left.length);
      if (duplicates === null) throw error;
      if (mayBeApplied && left === rows && duplicates.size === rows.length) {
        const where = `lines ${lines[0]} to ${lines[1]}`;
        await run.printer.hint(`All hashes of ${where} are there: the interrupted run has imported them.`);
        return { rows: rows.length, skipped: 0 };
      }
      const numbers = left.flatMap(({ line }, at) => (duplicates.has(at) ? [line] : []));
      if (!skipsExisting) {
        const shown = numbers.slice(0, 10).join(', ');
        const more = numbers.length > 10 ? ` and ${grouped(numbers.length - 10)} more` : '';
        await run.printer.warn(
          `The tenant has keys with the hashes of lines ${shown}${more} already. To pass over such rows: --skip-existing`,
        );
        throw error;
      }
      left = left.filter((_, at) => !duplicates.has(at));
    }
  }
}

/** Which rows the service has refused because their hashes are there; null for any other error. */
function duplicatesOf(error: unknown, rows: number): ReadonlySet<number> | null {
  if (!(error instanceof KeysteadError) || error.status !== 409) return null;
  const { duplicates } = error as { readonly duplicates?: unknown };
  if (!Array.isArray(duplicates) || duplicates.length === 0) return null;
  const indexes = duplicates.filter((index) => Number.isInteger(index) && index >= 0 && index < rows);
  return indexes.length === duplicates.length ? new Set(indexes) : null;
}

const KEY_FIELDS = OPERATIONS.find(({ id }) => id === 'keys.create')?.body?.properties ?? {};

/** Until the description has it. */
export const IMPORT_OPERATION: Operation = {
  id: 'keys.import',
  method: 'POST',
  path: '/v1/tenants/{tenantId}/keys/import',
  summary: 'Imports keys that another service issued, by their hashes',
  description: '',
  parts: OPERATIONS.find(({ id }) => id === 'keys.createMany')?.parts ?? [],
  query: [],
  headers: ['IdempotencyKey', 'OnBehalfOf', 'RequestId'],
  body: {
    type: 'object',
    properties: { keys: { type: 'array', minItems: 1, maxItems: 500, items: itemSchema() } },
    required: ['keys'],
    additionalProperties: false,
  },
  answer: 'one',
  types: ['application/json'],
};

function itemSchema(): Schema {
  const { name, prefix, owner, scopes, metadata, expiresAt, enabled, plan } = KEY_FIELDS;
  const hash: Schema = {
    type: 'object',
    properties: { algorithm: { const: 'sha256' }, value: { type: 'string' }, encoding: { enum: [...ENCODINGS.keys()] } },
    required: ['algorithm', 'value', 'encoding'],
    additionalProperties: false,
  };
  const fields = { hash, prefix, hint: { type: 'string', maxLength: 40 }, name, owner, scopes, metadata, expiresAt };
  const properties = { ...fields, createdAt: expiresAt, enabled, plan } as Readonly<Record<string, Schema>>;
  return { type: 'object', properties, required: ['hash', 'name'], additionalProperties: false };
}
