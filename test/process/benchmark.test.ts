import { expect, test } from 'vitest';
import type { Measured } from '../../bench/measure.ts';
import { type Options, readOptions } from '../../bench/options.ts';
import * as names from '../../bench/report/names.ts';
import { report } from '../../bench/report/table.ts';
import { verdictsOf } from '../../bench/report/verdicts.ts';

/** A creation that costs ten times its floor. */
const costly: Measured = {
  name: names.CREATE,
  against: names.FLOOR_C,
  perSecond: spread(100),
  p50Ms: 1,
  p99Ms: 2,
  cpuMicros: spread(4000),
  cpuRatio: spread(0.1),
  throughputRatio: spread(0.1),
  generatorShare: 0.1,
  answered: 100,
  wrong: 0,
  firstWrong: null,
};

test('a full run judges a row by its threshold', () => {
  expect(verdictsOf([costly], [], null, optionsOf())).toMatchObject([{ limit: 0.6, met: false }]);
  expect(reportOf(optionsOf())).toMatch(/^MISSED .*create/m);
});

test('a quick run judges nothing, and says so', () => {
  const text = reportOf(optionsOf('--quick'));
  expect(text).not.toMatch(/MISSED|^met/m);
  expect(text).toMatch(/^not judged at this size .*create.* \(at least 0\.6 at full size\)$/m);
});

function reportOf(options: Options): string {
  return report({
    at: '2026-01-01T00:00:00.000Z',
    machine: { processor: 'one', cores: 2, system: 'linux', node: '24', workerd: '1' },
    options,
    rows: [costly],
    client: null,
    cleanup: null,
    disk: [],
    memory: null,
    usage: null,
    filledPerSecond: null,
    notes: [],
    verdicts: verdictsOf([costly], [], null, options),
  });
}

function optionsOf(...args: string[]): Options {
  const options = readOptions(args);
  if (typeof options === 'string') throw new Error(options);
  return options;
}

function spread(value: number) {
  return { median: value, low: value, high: value };
}
