/**
 * `keystead keys create-many FILE`: many keys at once, their key strings on stdout. A batch is done when its keys are
 * printed. When the command is killed in between, the next run prints the batch again: the service still has the
 * answer, for a day. Later nobody can tell whether the batch was created, and the command says so.
 */
import type { Operation } from '../api/operations.ts';
import type { Run } from '../commands/command.ts';
import type { Differences } from '../commands/operation-command.ts';
import { EXIT, Unfinished } from '../exit.ts';
import { columnsOf } from '../output/columns.ts';
import { Table } from '../output/table.ts';
import { jsonText } from '../output/text.ts';
import { Mapping } from './mapping.ts';
import { BULK_FLAGS, runBulk } from './run.ts';

/** The service keeps answers for 24 hours; an hour is for clocks that differ. */
const ANSWERS_KEPT_MS = 23 * 3600 * 1000;

export const CREATE_MANY: Differences = {
  positionals: [{ name: 'FILE', description: 'The file, CSV with a header or NDJSON.', required: true }],
  onlyFlags: BULK_FLAGS,
  description:
    'Every line is checked before the first is sent. A journal beside the file says what is done: when the command ' +
    'is interrupted, the same command goes on within a day, and creates each key once. Keys of the batch that was ' +
    'interrupted may be printed twice. Lines of NDJSON, and columns of CSV, have the names of the fields of a key.',
  run: createMany,
};

async function createMany(run: Run): Promise<number> {
  const { printer, io } = run;
  const operation = run.command.operation as Operation;
  const item = Object.values(operation.body?.properties ?? {}).find(({ items }) => items !== undefined)?.items ?? {};
  const texts = (name: string) => run.flags.get(name) ?? [];
  let table: Table | null = null;
  await runBulk(run, {
    operation,
    mapping: new Mapping(item, texts('map'), texts('set')),
    flags: [],
    verb: 'Creating',
    apply: async ({ rows, lines, mayBeApplied, begunAt, send }) => {
      if (mayBeApplied && io.now() - begunAt > ANSWERS_KEPT_MS) {
        throw new Unfinished(
          `Lines ${lines[0]} to ${lines[1]} were sent more than a day ago, and their answer was lost. Look whether ` +
            'the keys are there (keystead keys list), and send what is missing as another file',
        );
      }
      const { data } = (await send(rows)) as { readonly data: readonly unknown[] };
      table ??= new Table(columnsOf(operation, data[0]), io.stdout.isTTY, printer.bold);
      await printer.out(printer.json ? data.map((key) => `${jsonText(key)}\n`).join('') : table.lines(data));
      return { rows: rows.length, skipped: 0 };
    },
  });
  return EXIT.ok;
}
