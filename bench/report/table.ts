/** Formats the results as text. */
import type { CleanupFigures } from '../figures/cleanup.ts';
import type { DiskFigures } from '../figures/disk.ts';
import type { MemoryFigures } from '../figures/memory.ts';
import type { UsageFigures } from '../figures/usage.ts';
import type { Measured } from '../measure.ts';
import type { Spread } from '../statistics.ts';
import { clientLines } from './client.ts';
import { number } from './names.ts';
import type { Results } from './results.ts';
import type { Verdict } from './verdict.ts';

const LEGEND = "medians, in parentheses the quartiles. CPU is the server's, for a request, and is the judge.";
/** From this share on, the generator may have limited the row. */
const SATURATED_SHARE = 0.9;
const MIB = 1024 ** 2;

export function report(results: Results): string {
  const { machine, options, rows, client, cleanup, disk, memory, usage, filledPerSecond, notes, verdicts } = results;
  const figures = [
    ...(filledPerSecond === null ? [] : [`bulk creation: ${number(Math.round(filledPerSecond))} keys/s`]),
    ...(client === null ? [] : clientLines(client)),
    ...(cleanup === null ? [] : [cleanupLine(cleanup)]),
    ...(memory === null ? [] : [memoryLine(memory)]),
    ...disk.map(diskLine),
    ...(usage === null ? [] : usageLines(usage)),
  ];
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, node ${machine.node}, workerd ${machine.workerd}`,
    `${options.rounds} rounds; ${LEGEND}`,
    '',
    ...table(rows),
    '',
    ...figures,
    ...notes.map((note) => `note: ${note}`),
    '',
    ...verdicts.map(verdictLine),
  ].join('\n');
}

function cleanupLine({ keys, seconds, microsPerKey, cpuMicrosPerKey }: CleanupFigures): string {
  const perKey = `${microsPerKey.toFixed(0)} µs a key (CPU ${cpuMicrosPerKey.toFixed(0)} µs)`;
  return `cleanup of ${number(keys)} expired keys: ${seconds.toFixed(1)} s, ${perKey}`;
}

function memoryLine({ tenants, bytes, bytesAtStart, bytesPerTenant, askedWithinSeconds }: MemoryFigures): string {
  const total = `${(bytes / MIB).toFixed(0)} MiB, ${(bytesAtStart / MIB).toFixed(0)} MiB before`;
  const perTenant = `${(bytesPerTenant / 1024).toFixed(1)} KiB a tenant`;
  const awake = `(all asked within ${askedWithinSeconds.toFixed(1)} s)`;
  return `rss with ${number(tenants)} awake tenants: ${total}: ${perTenant} ${awake}`;
}

function usageLines({ keys, owners, hourBytes, dayBytes, questions }: UsageFigures): string[] {
  const bytes = `${hourBytes.toFixed(0)} bytes a key and day by hour, ${dayBytes.toFixed(1)} by day`;
  return [
    `usage of ${number(keys)} keys of ${number(owners)} owners in 30 days: ${bytes}`,
    ...questions.map(({ name, rows, pages, ms, slowestPageMs }) => {
      const paged = `${number(rows)} rows in ${number(pages)} pages`;
      return `usage ${name}: ${paged}, ${ms.toFixed(0)} ms, the slowest page ${slowestPageMs.toFixed(0)} ms`;
    }),
  ];
}

function diskLine({ made, keys, bytesPerKey, parts }: DiskFigures): string {
  const sum = parts.map((part) => `${part.name} ${part.bytesPerKey.toFixed(0)}`).join(' + ');
  const total = `on disk, ${number(keys)} keys made ${made}: ${bytesPerKey.toFixed(0)} bytes a key`;
  return sum === '' ? total : `${total} = ${sum}`;
}

function table(rows: readonly Measured[]): string[] {
  const heads = ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs', 'CPU ratio', 'req/s ratio', 'to', ''];
  const lines = rows.map((row) => [
    row.name,
    number(Math.round(row.perSecond.median)),
    row.p50Ms.toFixed(2),
    row.p99Ms.toFixed(2),
    row.cpuMicros.median.toFixed(0),
    row.cpuRatio === null ? '' : withSpread(row.cpuRatio),
    row.throughputRatio === null ? '' : row.throughputRatio.median.toFixed(2),
    row.against?.split(':')[0] ?? '',
    remarks(row),
  ]);
  const widths = heads.map((head, column) => Math.max(head.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const isText = (column: number) => column === 0 || column > 6;
  return [heads, ...lines].map((line) =>
    line
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

function remarks({ generatorShare, wrong, answered }: Measured): string {
  const wrongAnswers = wrong === 0 ? [] : [`${number(wrong)} of ${number(answered)} answers were wrong`];
  const saturated = generatorShare < SATURATED_SHARE ? [] : [`generator saturated (${generatorShare.toFixed(2)})`];
  return [...wrongAnswers, ...saturated].join(', ');
}

function verdictLine({ what, bound, limit, unit, value, spread, met }: Verdict): string {
  const digits = unit === 'bytes' || unit === '/s' ? 0 : 2;
  const shown = spread === null ? value.toFixed(digits) : withSpread(spread, digits);
  const limited = `${what}: ${shown} (${bound} ${limit}${unit === 'bytes' ? ' bytes' : ''}`;
  if (met === null) return `not judged at this size  ${limited} at full size)`;
  return `${met ? 'met   ' : 'MISSED'}  ${limited})`;
}

function withSpread({ median, low, high }: Spread, digits = 2): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
}
