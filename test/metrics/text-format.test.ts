/** Metrics in memory and as text. */
import { describe, expect, it } from 'vitest';
import { Counter, Histogram, SERIES_MAX } from '../../domain/metrics/family.ts';
import { LARGEST_TENANTS_MAX, LargestTenants } from '../../domain/metrics/largest-tenants.ts';
import { MetricsText } from '../../domain/metrics/text-format.ts';
import { parseMetrics, sumOf } from './prometheus-text.ts';

describe('the text', () => {
  it('has each family once, with its help and type before its series', () => {
    const counter = new Counter('things_total', 'Things.', ['kind', 'size']);
    counter.at('a', 'small').count += 2;
    counter.at('b', 'small').count += 1;
    counter.at('a', 'small').count += 1;
    expect(`${new MetricsText().family(counter)}`).toBe(
      '# HELP things_total Things.\n# TYPE things_total counter\n' +
        'things_total{kind="a",size="small"} 3\nthings_total{kind="b",size="small"} 1\n',
    );
  });

  it('has the buckets of a histogram added up, each bound in its own bucket', () => {
    const histogram = new Histogram('waits_seconds', 'Waits.', [0.1, 1], ['of']);
    for (const wait of [0, 0.1, 0.5, 1, 7]) histogram.at('x').observe(wait);
    const text = String(new MetricsText().family(histogram));
    expect(text.split('\n').slice(2, -1)).toEqual([
      'waits_seconds_bucket{of="x",le="0.1"} 2',
      'waits_seconds_bucket{of="x",le="1"} 4',
      'waits_seconds_bucket{of="x",le="+Inf"} 5',
      'waits_seconds_sum{of="x"} 8.6',
      'waits_seconds_count{of="x"} 5',
    ]);
    expect(sumOf(parseMetrics(text), 'waits_seconds_count')).toBe(5);
  });

  it('escapes what ends a value or a line, and is read back as it was', () => {
    const value = 'a"b\\c\nd} 1\n# TYPE x counter';
    const counter = new Counter('odd_total', 'One\nline \\ of help.', ['label']);
    counter.at(value).count += 1;
    const families = parseMetrics(String(new MetricsText().family(counter)));
    expect(families.get('odd_total')?.samples).toEqual([{ name: 'odd_total', labels: { label: value }, value: 1 }]);
  });

  it('writes numbers as Prometheus reads them', () => {
    const values = [0, 1.5, 1e21, 1e-7, Number.POSITIVE_INFINITY];
    const readings = values.map((value) => ({ values: [String(value)], value }));
    const text = String(new MetricsText().readings('gauge', 'numbers', 'Numbers.', ['n'], readings));
    expect(
      parseMetrics(text)
        .get('numbers')
        ?.samples.map(({ value }) => value),
    ).toEqual(values);
  });

  it.each([
    ['a sample without a family', 'a 1\n'],
    ['no type', '# HELP a A.\na 1\n'],
    ['a value that is not escaped', '# HELP a A.\n# TYPE a gauge\na{b="c"d"} 1\n'],
    ['a number in another form', '# HELP a A.\n# TYPE a gauge\na Infinity\n'],
    ['a series twice', '# HELP a A.\n# TYPE a gauge\na 1\na 2\n'],
    ['no end of the last line', '# HELP a A.\n# TYPE a gauge\na 1'],
    ['a histogram without its count', '# HELP a A.\n# TYPE a histogram\na_bucket{le="+Inf"} 1\na_sum 1\n'],
  ])('is refused by the parser of these tests with %s', (_, text) => {
    expect(() => parseMetrics(text)).toThrow();
  });
});

describe('memory', () => {
  it('holds a bounded number of series, and the counts of all others in one', () => {
    const counter = new Counter('many_total', 'Many.', ['a']);
    for (let i = 0; i < SERIES_MAX + 100; i++) counter.at(String(i)).count += 1;
    const all = [...counter.all()];
    expect(all).toHaveLength(SERIES_MAX + 1);
    expect(all.at(-1)).toEqual({ values: ['other'], series: { count: 100 } });
  });

  it('holds the largest tenants only', () => {
    const tenants = new LargestTenants();
    const sized = (active: number) => ({ active, rotating: 0, rotated: 0, disabled: 0, expired: 0, revoked: 0 });
    for (let i = 1; i <= LARGEST_TENANTS_MAX * 3; i++) tenants.note(`t${i}`, sized(i));
    tenants.note('t60', sized(1000));
    tenants.note('small', sized(3));
    const known = [...tenants.all()].map(({ counts }) => counts.active).sort((a, b) => a - b);
    expect(known).toHaveLength(LARGEST_TENANTS_MAX);
    expect([known[0], known.at(-1)]).toEqual([LARGEST_TENANTS_MAX * 2 + 1, 1000]);
    tenants.forget('t60');
    expect([...tenants.all()]).toHaveLength(LARGEST_TENANTS_MAX - 1);
  });
});
