/** What a command prints on stdout. */
import type { Operation } from '../api/operations.ts';
import type { Printer, Run } from '../commands/command.ts';
import type { Io } from '../io.ts';
import { columnsOf } from './columns.ts';
import { details, memberAt, Table } from './table.ts';
import { jsonText, printable } from './text.ts';

export function printerOf(io: Io, { json, quiet }: { readonly json: boolean; readonly quiet: boolean }): Printer {
  const isColoured = io.stdout.isTTY && (io.env.NO_COLOR ?? '') === '' && io.env.TERM !== 'dumb';
  return {
    json,
    quiet,
    bold: (text) => (isColoured ? `\u001b[1m${text}\u001b[0m` : text),
    out: (text) => io.stdout.write(text),
    hint: async (text) => {
      if (!quiet) await io.stderr.write(`${printable(text)}\n`);
    },
    warn: (text) => io.stderr.write(`${printable(text)}\n`),
  };
}

/** One thing: as a JSON document, as names and values, or only its key string. */
export async function printAnswer({ printer }: Run, body: unknown, secretAt: string | null): Promise<void> {
  if (secretAt !== null) {
    await printer.out(`${printable(String(memberAt(body, secretAt)))}\n`);
    const id = memberAt(body, secretAt.replace(/secret$/, 'id'));
    if (typeof id === 'string') await printer.hint(`The key string of ${id}. Keep it: no list shows it.`);
    return;
  }
  await printer.out(printer.json ? `${jsonText(body)}\n` : details(body, printer.bold));
}

/** Items: one JSON document in each line, or a table. */
export async function printItems({ printer, io }: Run, operation: Operation, items: readonly unknown[]): Promise<void> {
  if (items.length === 0) return;
  if (printer.json) return printer.out(items.map((item) => `${jsonText(item)}\n`).join(''));
  await printer.out(new Table(columnsOf(operation, items[0]), io.stdout.isTTY, printer.bold).lines(items));
}

/** A text of the service, CSV for example: as it is for a program, and made safe on a terminal. */
export async function printText({ printer, io }: Run, text: string): Promise<void> {
  const safe = io.stdout.isTTY
    ? text
        .split('\n')
        .map((line) => printable(line.replace(/\r$/, '')))
        .join('\n')
    : text;
  await printer.out(safe.endsWith('\n') ? safe : `${safe}\n`);
}
