/**
 * Metrics in memory: counters and histograms, in families whose series differ in the values of their labels. A series
 * is made when it is first used. After that, finding it and adding to it allocates nothing, since verifications do so.
 *
 * Labels have values from the program alone (routes, codes, names), never texts of callers. A family has at most
 * `SERIES_MAX` series all the same: what comes later is added to one series whose labels all are `other`.
 */

/** More than any family needs: routes by method and status have the most. */
export const SERIES_MAX = 2000;

type Branch<S> = Map<string, S>;

/** A family of series with up to three labels. */
export class Family<S extends object> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly #make: () => S;
  readonly #series = new Map<string, Map<string, Branch<S>>>();
  readonly #all: { readonly values: readonly string[]; readonly series: S }[] = [];
  #other: S | null = null;

  constructor(name: string, help: string, labels: readonly string[], make: () => S) {
    this.name = name;
    this.help = help;
    this.labels = labels;
    this.#make = make;
    if (labels.length === 0) this.at();
  }

  /** The series with these values of the labels, in their order. */
  at(a = '', b = '', c = ''): S {
    return this.#series.get(a)?.get(b)?.get(c) ?? this.#add(a, b, c);
  }

  #add(a: string, b: string, c: string): S {
    if (this.#all.length >= SERIES_MAX) {
      this.#other ??= this.#make();
      return this.#other;
    }
    const series = this.#make();
    const ofA = this.#series.get(a) ?? new Map<string, Branch<S>>();
    const ofB = ofA.get(b) ?? new Map<string, S>();
    this.#series.set(a, ofA);
    ofA.set(b, ofB);
    ofB.set(c, series);
    this.#all.push({ values: [a, b, c].slice(0, this.labels.length), series });
    return series;
  }

  /** All series with the values of their labels. */
  *all(): Generator<{ readonly values: readonly string[]; readonly series: S }> {
    yield* this.#all;
    if (this.#other !== null) yield { values: this.labels.map(() => 'other'), series: this.#other };
  }
}

/** A number that only grows. */
export type Count = { count: number };

export class Counter extends Family<Count> {
  constructor(name: string, help: string, labels: readonly string[] = []) {
    super(name, help, labels, () => ({ count: 0 }));
  }
}

/** How many observations were at most as large as each bound, in one bucket each, with their sum. */
export class Buckets {
  /** Upper bounds of the buckets, ascending. The last bucket has none. */
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  /** A negative value counts as 0: a clock that was set back has measured nothing. */
  observe(measured: number): void {
    const { bounds, counts } = this;
    const value = Math.max(measured, 0);
    let place = 0;
    while (place < bounds.length && value > (bounds[place] ?? 0)) place++;
    counts[place] = (counts[place] ?? 0) + 1;
    this.sum += value;
  }
}

export class Histogram extends Family<Buckets> {
  constructor(name: string, help: string, bounds: readonly number[], labels: readonly string[] = []) {
    super(name, help, labels, () => new Buckets(bounds));
  }
}
