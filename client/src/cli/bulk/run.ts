/**
 * A file of rows that is sent in batches, each applied once, however often the command is killed and started again.
 *
 * The file is read twice. First every line is checked, so that nothing is sent of a file with a fault. Then it is sent,
 * batch by batch: the journal says what was begun and what is done, and a batch always has the same Idempotency-Key,
 * made from the content of the file, the flags, the target and the batch.
 */
import { createHash } from 'node:crypto';
import { KeysteadError } from '../../http/errors.ts';
import type { Operation } from '../api/operations.ts';
import { ownFlag } from '../arguments/global-flags.ts';
import { type Run, textOf } from '../commands/command.ts';
import { EXIT, Unfinished, UsageError, unusable } from '../exit.ts';
import { grouped, Progress } from '../output/progress.ts';
import { type Batch, type Counts, Journal } from './journal.ts';
import { LineFault, type Mapping, type Row } from './mapping.ts';
import { formatOf, RecordFile } from './records.ts';

/** What the service takes at once. */
const MAX_ROWS = 500;
/** Below its bounds of 4 MiB, and of 65,536 brackets, colons and commas; those within texts are counted too. */
const MAX_BYTES = 3 * 1024 * 1024;
const MAX_MARKS = 60_000;
/** So many faults are shown before the rest is only counted. */
const MAX_FAULTS = 20;

/** A slow disk or many leases may hold a batch up. */
const BATCH_TIMEOUT_MS = 60_000;
/** With pauses between, some twenty seconds; longer outages are for the next start of the command. */
const BATCH_RETRIES = 6;

export const BULK_FLAGS = [
  ownFlag('format', 'csv|ndjson', 'The format, if the name of the file does not say.'),
  ownFlag('delimiter', 'CHARACTER', 'Between columns of CSV; \\t for tabs. A comma by default.'),
  {
    ...ownFlag('map', 'FIELD=COLUMN', 'Takes a field from this column. By default from one of its name.'),
    repeatable: true,
  },
  { ...ownFlag('set', 'FIELD=VALUE', 'Gives a field the same value in each row.'), repeatable: true },
  ownFlag('state', 'FILE', 'The journal. By default beside the file, with the end .keystead-journal.'),
  ownFlag('dry-run', null, 'Checks every line and sends nothing.'),
];

/** Answers after which nothing of a request is applied, now or later, and that no proxy makes up after it was. */
const REFUSALS: ReadonlySet<number> = new Set([401, 403, 409, 413, 415, 422]);

/** A batch on its way. */
export type Sending = Batch & {
  readonly rows: readonly Row[];
  /** Whether an earlier run, or an earlier attempt, may have sent it. */
  readonly mayBeApplied: boolean;
  /** When it was begun, in milliseconds. */
  readonly begunAt: number;
  /** Sends some of its rows, or all. */
  readonly send: (rows: readonly Row[]) => Promise<unknown>;
};

export type Work = {
  readonly operation: Operation;
  readonly mapping: Mapping;
  /** Further flags that change what is sent. */
  readonly flags: readonly string[];
  /** What is being done, for the progress: `Importing`. */
  readonly verb: string;
  /** Called for each row when the file is checked; throws a LineFault. */
  readonly check?: (row: Row) => void;
  /** Sends a batch, and says what became of its rows. */
  readonly apply: (sending: Sending) => Promise<Counts>;
};

type Plan = { readonly digest: string; readonly rows: number; readonly batches: readonly string[] };

export async function runBulk(run: Run, work: Work): Promise<Counts | null> {
  const [path = ''] = run.positionals;
  if (path === '-') throw new UsageError('This needs a file: only a file can be read again after an interruption');
  const file = new RecordFile(path, formatOf(path, textOf(run, 'format'), textOf(run, 'delimiter')));
  const progress = new Progress(run.io, run.printer);
  const plan = await check(run, work, file, progress);
  await progress.clear();
  if (run.flags.has('dry-run')) {
    await run.printer.hint(`All ${grouped(plan.rows)} rows can be sent. Nothing was.`);
    return null;
  }

  const { connection } = run;
  const { tenant } = connection;
  if (tenant === undefined) throw new UsageError('Which tenant? Say --tenant ID, or set KEYSTEAD_TENANT');
  const digest = digestOf([work.operation.id, connection.url, tenant, plan.digest, ...optionsOf(run), ...work.flags]);
  const journal = new Journal(textOf(run, 'state') ?? `${path}.keystead-journal`, digest);
  try {
    await sendBatches(run, work, file, plan, journal, tenant, digest, progress);
    return journal.counts;
  } finally {
    journal.close();
  }
}

async function sendBatches(
  run: Run,
  work: Work,
  file: RecordFile,
  plan: Plan,
  journal: Journal,
  tenant: string,
  digest: string,
  progress: Progress,
): Promise<void> {
  const { io } = run;
  const before = journal.counts;
  if (before.rows + before.skipped > 0) {
    await run.printer.hint(`Going on after ${grouped(before.rows + before.skipped)} rows (${journal.path}).`);
  }
  let index = -1;
  for await (const rows of batchesOf(work, file)) {
    index += 1;
    if (journal.isDone(index)) continue;
    if (plan.batches[index] !== digestOf(rows.map(({ body }) => body))) {
      throw new Unfinished('The file has changed while it was read. Nothing more was sent');
    }
    const batch: Batch = { index, lines: [rows[0]?.line ?? 0, rows.at(-1)?.line ?? 0] };
    const { rows: done, skipped } = journal.counts;
    await progress.show(`${work.verb}: ${grouped(done + skipped)} of ${grouped(plan.rows)} rows`);
    const begunAt = journal.begunAt(index);
    try {
      if (io.signal.aborted) throw new KeysteadError('aborted', 'Interrupted');
      journal.begin(batch, io.now());
      const send = (some: readonly Row[]) => sendRows(run, work.operation, tenant, some, digest, index);
      const sending = { ...batch, rows, send, mayBeApplied: begunAt !== undefined, begunAt: begunAt ?? io.now() };
      journal.done(batch, await work.apply(sending));
    } catch (error) {
      await progress.clear();
      // One that an earlier run has sent may have been applied all the same.
      const isRefused = error instanceof KeysteadError && REFUSALS.has(error.status);
      if (isRefused && begunAt === undefined) journal.refused(batch);
      const [from, to] = batch.lines;
      const rest = `after ${grouped(done + skipped)} of ${grouped(plan.rows)} rows.`;
      const where = `Stopped at lines ${from} to ${to}, ${rest}`;
      await run.printer.warn(`${where} The same command goes on from there (${journal.path}).`);
      throw withLines(error, rows);
    }
  }
  await progress.clear();
}

/** The error, with lines of the file instead of places in the request. */
function withLines(error: unknown, rows: readonly Row[]): unknown {
  if (!(error instanceof KeysteadError) || error.errors === undefined) return error;
  const errors = error.errors.map(({ path, message }) => {
    const [, index = '', field = ''] = /^[a-z]+\.(\d+)(.*)$/i.exec(path) ?? [];
    const line = rows[Number(index)]?.line;
    return { path: index === '' || line === undefined ? path : `line ${line}${field}`, message };
  });
  return new KeysteadError(error.code, error.message, { ...error, status: error.status, errors });
}

/** The flags that change what is sent. */
const optionsOf = ({ flags }: Run): readonly unknown[] =>
  ['format', 'delimiter', 'map', 'set'].map((name) => flags.get(name) ?? null);

/** Reads the whole file, and throws a UsageError that names the lines with faults. */
async function check(run: Run, work: Work, file: RecordFile, progress: Progress): Promise<Plan> {
  const faults: string[] = [];
  let faulty = 0;
  let rows = 0;
  const batches: string[] = [];
  const onFault = (line: number, message: string) => {
    faulty += 1;
    if (faults.length < MAX_FAULTS) faults.push(`  line ${line}: ${message}`);
  };
  for await (const batch of batchesOf(work, file, onFault, (columns) =>
    run.printer.hint(`Not used: the columns ${columns.join(', ')}.`),
  )) {
    rows += batch.length;
    batches.push(digestOf(batch.map(({ body }) => body)));
    await progress.show(`Checking: ${grouped(rows)} rows`);
    if (run.io.signal.aborted) throw new Unfinished('Interrupted. Nothing was sent', EXIT.interrupted);
  }
  await progress.clear();
  if (faulty > faults.length) faults.push(`  and ${grouped(faulty - faults.length)} more`);
  if (faulty > 0) throw unusable(`${grouped(faulty)} lines cannot be used; nothing was sent:`, faults);
  if (rows === 0) throw unusable('The file has no rows');
  return { digest: file.digest(), rows, batches };
}

/** The rows in batches; their boundaries follow from the rows alone. Without `onFault` a fault is an error. */
async function* batchesOf(
  { mapping, check: checkRow }: Work,
  file: RecordFile,
  onFault?: (line: number, message: string) => void,
  onUnused?: (columns: readonly string[]) => Promise<void>,
): AsyncGenerator<readonly Row[]> {
  let batch: Row[] = [];
  let [bytes, marks] = [0, 0];
  let isFirst = true;
  for await (const record of file.records()) {
    if (isFirst) {
      const unused = mapping.unused(record);
      if (unused.length > 0) await onUnused?.(unused);
      isFirst = false;
    }
    let row: Row;
    try {
      row = mapping.rowOf(record);
      if (onFault !== undefined) checkRow?.(row);
    } catch (error) {
      if (!(error instanceof LineFault) || onFault === undefined) throw error;
      onFault(record.line, error.message);
      continue;
    }
    const text = JSON.stringify(row.body);
    const [rowBytes, rowMarks] = [Buffer.byteLength(text) + 1, (text.match(/[[\]{}:,]/g)?.length ?? 0) + 1];
    if (batch.length >= MAX_ROWS || bytes + rowBytes > MAX_BYTES || marks + rowMarks > MAX_MARKS) {
      yield batch;
      batch = [];
      [bytes, marks] = [0, 0];
    }
    batch.push(row);
    bytes += rowBytes;
    marks += rowMarks;
  }
  if (batch.length > 0) yield batch;
}

async function sendRows(
  { connection, io, flags }: Run,
  operation: Operation,
  tenant: string,
  rows: readonly Row[],
  plan: string,
  index: number,
): Promise<unknown> {
  const body = { [listNameOf(operation)]: rows.map((row) => row.body) };
  const onBehalfOf = flags.get('on-behalf-of')?.at(-1);
  const { body: answer } = await connection.transport.request({
    method: operation.method,
    path: operation.path.replace('{tenantId}', encodeURIComponent(tenant)),
    body,
    idempotencyKey: `keystead-cli-${digestOf([plan, index, body])}`,
    headers: onBehalfOf === undefined ? {} : { 'X-On-Behalf-Of': encodeURIComponent(onBehalfOf) },
    timeoutMs: BATCH_TIMEOUT_MS,
    retries: BATCH_RETRIES,
    signal: io.signal,
  });
  return answer;
}

/** The member of the body that holds the rows. */
const listNameOf = ({ body }: Operation): string =>
  Object.entries(body?.properties ?? {}).find(([, { type }]) => type === 'array')?.[0] ?? 'keys';

const digestOf = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
