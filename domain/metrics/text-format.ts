/**
 * Metrics as Prometheus reads them: the text format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). A line is `name{label="value"} number`; two lines
 * before the first of a family say what it is. The usual library, prom-client, needs Node: it measures the process that
 * it is in.
 */
import { type Buckets, Counter, type Family, type Histogram } from './family.ts';

export const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

/** A number that was looked up for this scrape, with the values of its labels. */
export type Reading = { readonly values: readonly string[]; readonly value: number };

export class MetricsText {
  readonly #lines: string[] = [];

  /** Adds a counter or a histogram with all its series. */
  family(family: Counter | Histogram): this {
    if (family instanceof Counter) {
      this.#head(family, 'counter');
      for (const { values, series } of family.all()) this.#line(family.name, family.labels, values, series.count);
    } else {
      this.#head(family, 'histogram');
      for (const { values, series } of family.all()) this.#buckets(family, values, series);
    }
    return this;
  }

  /** Adds numbers that were looked up for this scrape. */
  readings(
    type: 'gauge' | 'counter',
    name: string,
    help: string,
    labels: readonly string[],
    readings: readonly Reading[],
  ): this {
    this.#head({ name, help }, type);
    for (const { values, value } of readings) this.#line(name, labels, values, value);
    return this;
  }

  toString(): string {
    return this.#lines.join('');
  }

  #head({ name, help }: Pick<Family<object>, 'name' | 'help'>, type: 'counter' | 'gauge' | 'histogram'): void {
    this.#lines.push(`# HELP ${name} ${escapedHelp(help)}\n# TYPE ${name} ${type}\n`);
  }

  #line(name: string, labels: readonly string[], values: readonly string[], value: number): void {
    const pairs = labels.map((label, i) => `${label}="${escapedValue(values[i] ?? '')}"`);
    this.#lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join()}}`} ${numberText(value)}\n`);
  }

  #buckets({ name, labels }: Histogram, values: readonly string[], { bounds, counts, sum }: Buckets): void {
    let below = 0;
    for (const [place, count] of counts.entries()) {
      below += count;
      const bound = bounds[place] ?? Number.POSITIVE_INFINITY;
      this.#line(`${name}_bucket`, [...labels, 'le'], [...values, numberText(bound)], below);
    }
    this.#line(`${name}_sum`, labels, values, sum);
    this.#line(`${name}_count`, labels, values, below);
  }
}

const escapedHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapedValue = (text: string) => escapedHelp(text).replaceAll('"', '\\"');

/** A number as Go reads it. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
