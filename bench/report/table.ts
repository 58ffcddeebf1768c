/** The results as text. */
import type { Measured } from '../measure.ts';
import type { Spread } from '../statistics.ts';
import { number } from './names.ts';
import type { Results } from './results.ts';
import type { Verdict } from './verdicts.ts';

/** From here on the generator may have been what limited a row. */
const SATURATED_SHARE = 0.9;
const MIB = 1024 ** 2;

export function report(results: Results): string {
  const { machine, options, rows, cleanup, disk, memory, filledPerSecond, notes, verdicts } = results;
  const figures = [
    ...(filledPerSecond === null ? [] : [`bulk creation: ${number(Math.round(filledPerSecond))} keys/s`]),
    ...(cleanup === null
      ? []
      : [
          `cleanup of ${number(cleanup.keys)} expired keys: ${cleanup.seconds.toFixed(1)} s, ${cleanup.microsPerKey.toFixed(0)} µs a key (CPU ${cleanup.cpuMicrosPerKey.toFixed(0)} µs)`,
        ]),
    ...(memory === null
      ? []
      : [
          `rss with ${number(memory.tenants)} awake tenants: ${(memory.bytes / MIB).toFixed(0)} MiB, ${(memory.bytesAtStart / MIB).toFixed(0)} MiB before: ${(memory.bytesPerTenant / 1024).toFixed(1)} KiB a tenant (all asked within ${memory.askedWithinSeconds.toFixed(1)} s)`,
        ]),
    ...disk.map(
      ({ made, keys, bytesPerKey, parts }) =>
        `on disk, ${number(keys)} keys made ${made}: ${bytesPerKey.toFixed(0)} bytes a key${parts.length === 0 ? '' : ` = ${parts.map((part) => `${part.name} ${part.bytesPerKey.toFixed(0)}`).join(' + ')}`}`,
    ),
  ];
  return [
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, node ${machine.node}, workerd ${machine.workerd}`,
    `${options.rounds} rounds; medians, in parentheses the quartiles. CPU is the server's, for a request, and is the judge.`,
    '',
    ...table(rows),
    '',
    ...figures,
    ...notes.map((note) => `note: ${note}`),
    '',
    ...verdicts.map(verdictLine),
  ].join('\n');
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
  const digits = unit === 'bytes' ? 0 : 2;
  const shown = spread === null ? value.toFixed(digits) : withSpread(spread);
  const limited = `${what}: ${shown} (${bound} ${limit}${unit === 'bytes' ? ' bytes' : ''}`;
  if (met === null) return `not judged at this size  ${limited} at full size)`;
  return `${met ? 'met   ' : 'MISSED'}  ${limited})`;
}

function withSpread({ median, low, high }: Spread): string {
  return `${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
}
