/**
 * A strict parser of the Prometheus text format, version 0.0.4, written from its definition and without the program's
 * code: https://prometheus.io/docs/instrumenting/exposition_formats/. It refuses what Prometheus lets pass: numbers and
 * names in odd forms, samples of one family in several places, and series that are there twice.
 */

export type Sample = {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
export type ParsedFamily = {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: readonly Sample[];
};

const NAME = '[a-z][a-z0-9_]*';
const HEAD = new RegExp(`^# HELP (${NAME}) (.+)$`);
const TYPE = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram)$`);
const SAMPLE = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`);
const PAIR = new RegExp(`^(${NAME})="((?:[^"\\\\\\n]|\\\\[\\\\"n])*)"(?:,|$)`);
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|\+Inf|-Inf|NaN)$/;
const ESCAPED: Readonly<Record<string, string>> = { '\\\\': '\\', '\\"': '"', '\\n': '\n' };

/** The families of a text, by name. Throws at the first line that is wrong. */
export function parseMetrics(text: string): ReadonlyMap<string, ParsedFamily> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, { name: string; type: string; help: string; samples: Sample[] }>();
  const series = new Set<string>();
  const lines = text.slice(0, -1).split('\n');
  let family: { name: string; type: string; help: string; samples: Sample[] } | undefined;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? '';
    const [, started, help = ''] = HEAD.exec(line) ?? [];
    if (started !== undefined) {
      const [, named, type = ''] = TYPE.exec(lines[++i] ?? '') ?? [];
      if (named !== started) throw new Error(`no type after: ${line}`);
      if (families.has(started)) throw new Error(`a family in two places: ${started}`);
      family = { name: started, type, help, samples: [] };
      families.set(started, family);
      continue;
    }
    const [, name = '', pairs = '', number = ''] = SAMPLE.exec(line) ?? [];
    if (family === undefined || name === '') throw new Error(`no sample: ${line}`);
    const isOfFamily = family.type === 'histogram' ? isOfHistogram(name, family.name) : name === family.name;
    if (!isOfFamily) throw new Error(`a sample of no family: ${line}`);
    if (!NUMBER.test(number)) throw new Error(`no number: ${line}`);
    const labels = labelsOf(pairs);
    const id = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (series.has(id)) throw new Error(`twice: ${line}`);
    series.add(id);
    family.samples.push({ name, labels, value: Number(number.replace('Inf', 'Infinity')) });
  }
  for (const one of families.values()) check(one);
  return families;
}

const isOfHistogram = (name: string, family: string) =>
  ['_bucket', '_sum', '_count'].some((part) => name === family + part);

function labelsOf(pairs: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = pairs;
  while (rest !== '') {
    const [pair, name = '', value = ''] = PAIR.exec(rest) ?? [];
    if (pair === undefined || name in labels) throw new Error(`no labels: ${pairs}`);
    labels[name] = value.replaceAll(/\\[\\"n]/g, (found) => ESCAPED[found] ?? '');
    rest = rest.slice(pair.length);
    if (pair.endsWith(',') && rest === '') throw new Error(`a comma after the last label: ${pairs}`);
  }
  return labels;
}

/** What the type of a family promises. */
function check({ name, type, samples }: ParsedFamily): void {
  if (type === 'counter' && !name.endsWith('_total')) throw new Error(`a counter without _total: ${name}`);
  if (type === 'counter' && samples.some(({ value }) => value < 0)) throw new Error(`a negative counter: ${name}`);
  if (type !== 'histogram') return;
  const histograms = new Map<string, Sample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const id = JSON.stringify(Object.entries(labels).sort());
    histograms.set(id, [...(histograms.get(id) ?? []), sample]);
  }
  for (const [id, all] of histograms) {
    const buckets = all.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('+Inf', 'Infinity')));
    const isAscending = (numbers: readonly number[]) => numbers.every((n, i) => i === 0 || n >= (numbers[i - 1] ?? 0));
    const count = all.find((sample) => sample.name === `${name}_count`)?.value;
    const isWhole =
      bounds.at(-1) === Number.POSITIVE_INFINITY &&
      new Set(bounds).size === bounds.length &&
      isAscending(bounds) &&
      isAscending(buckets.map(({ value }) => value)) &&
      buckets.at(-1)?.value === count &&
      all.some((sample) => sample.name === `${name}_sum`);
    if (!isWhole) throw new Error(`no whole histogram: ${name} ${id}`);
  }
}

/** The sum of all samples of this name with these labels among theirs. */
export function sumOf(
  families: ReadonlyMap<string, ParsedFamily>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''));
  if (family === undefined) throw new Error(`no family ${name}`);
  return family.samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
