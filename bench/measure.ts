/**
 * Measures rows in rounds. A row that is compared with another is always measured in alternation with it, and only the
 * two figures of one round are divided. Disturbances on the machine (other programs, its clock) then affect both alike.
 * The results are the median of the rounds and their spread.
 *
 * The judge is processor time a request. With client and server on the same few cores, requests a second also depend on
 * how the two share those.
 */
import type { LoadGenerator } from './load/client.ts';
import { cpuMicros } from './load/cpu.ts';
import type { LoadResult } from './load/protocol.ts';
import type { Progress } from './progress.ts';
import type { Target } from './servers/target.ts';
import { type Spread, spreadOf } from './statistics.ts';

export type Row = {
  readonly name: string;
  /** Read after `requests`, because making the turn's requests may restart the server. */
  readonly target: Target;
  /** Text that the body of every correct response contains. */
  readonly expected: string;
  /** The requests of the next turn. With `once` each is sent once, and the turn ends with the last. */
  readonly requests: () => readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  readonly once?: boolean;
  /** Whether a turn uses up something that exists once for each turn, so that the turn cannot be sliced. */
  readonly whole?: boolean;
  readonly connections?: number;
  /** The row that this one is compared with. */
  readonly against?: Row;
};

export type Sample = LoadResult & { readonly perSecond: number; readonly cpuMicros: number };

type Pair = { readonly own: Sample; readonly other: Sample };

export type Measured = {
  readonly name: string;
  readonly against: string | null;
  readonly perSecond: Spread;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** The server's processor time a request. */
  readonly cpuMicros: Spread;
  /** The other row's processor time divided by this row's: 1 costs the same, 0.8 costs a quarter more. */
  readonly cpuRatio: Spread | null;
  readonly throughputRatio: Spread | null;
  /** The largest share of a core that the generator took. Near 1 the row measures the generator. */
  readonly generatorShare: number;
  readonly answered: number;
  readonly wrong: number;
  readonly firstWrong: string | null;
};

/** Enough to keep the server busy all the time, and few enough that latency is not all queueing. */
const CONNECTIONS = 16;
/** A `once` turn ends with its requests; this bounds it when the server hangs. */
const ONCE_MAX_MS = 60_000;
const WARM_UP_TURNS = 1;
/** Slices of a turn of two rows that are compared. */
const SLICES = 6;

export async function measureRows(
  rows: readonly Row[],
  generator: LoadGenerator,
  { rounds, turnMs }: { readonly rounds: number; readonly turnMs: number },
  progress: Progress,
): Promise<Measured[]> {
  const samples = new Map<Row, Sample[]>();
  const pairs = new Map<Row, Pair[]>();
  for (let round = 1 - WARM_UP_TURNS; round <= rounds; round++) {
    for (const row of rows) {
      progress.step(round < 1 ? 'warming up' : `round ${round} of ${rounds}`);
      progress.detail(row.name);
      const { own, other } = await takeTurns(row, round % 2 === 0, generator, turnMs);
      if (round < 1) continue;
      samples.set(row, [...(samples.get(row) ?? []), own]);
      if (row.against === undefined || other === null) continue;
      samples.set(row.against, [...(samples.get(row.against) ?? []), other]);
      pairs.set(row, [...(pairs.get(row) ?? []), { own, other }]);
    }
  }
  const all = new Set([...rows.flatMap(({ against }) => (against === undefined ? [] : [against])), ...rows]);
  return [...all].map((row) => summarized(row, samples.get(row) ?? [], pairs.get(row) ?? []));
}

/**
 * Runs a turn of a row and of the one that it is compared with, in alternating slices. Disturbances come and go within
 * a second and so affect both alike. A turn whose requests are sent once is not sliced.
 */
async function takeTurns(
  row: Row,
  ownFirst: boolean,
  generator: LoadGenerator,
  turnMs: number,
): Promise<{ readonly own: Sample; readonly other: Sample | null }> {
  const { against } = row;
  if (against === undefined) return { own: await turn(row, generator, turnMs), other: null };
  const slices = [row, against].some(({ once, whole }) => once || whole) ? 1 : SLICES;
  const own: Sample[] = [];
  const other: Sample[] = [];
  for (let slice = 0; slice < slices; slice++) {
    // The two take turns at being first, because the second finds the server and the processor warmer.
    const isOwnFirst = ownFirst !== (slice % 2 === 1);
    for (const isOwn of [isOwnFirst, !isOwnFirst]) {
      (isOwn ? own : other).push(await turn(isOwn ? row : against, generator, turnMs / slices));
    }
  }
  return { own: together(own), other: together(other) };
}

/** Sums up the slices of one turn as one sample. Latencies are the medians of the slices. */
function together(slices: readonly Sample[]): Sample {
  const sum = (of: (sample: Sample) => number) => slices.reduce((total, sample) => total + of(sample), 0);
  const median = (of: (sample: Sample) => number) => spreadOf(slices.map(of)).median;
  const answered = sum((sample) => sample.answered);
  const seconds = sum((sample) => sample.seconds);
  return {
    answered,
    seconds,
    wrong: sum((sample) => sample.wrong),
    firstWrong: slices.find((sample) => sample.firstWrong !== null)?.firstWrong ?? null,
    p50Ms: median((sample) => sample.p50Ms),
    p99Ms: median((sample) => sample.p99Ms),
    generatorShare: sum((sample) => sample.generatorShare * sample.seconds) / seconds,
    perSecond: answered / seconds,
    cpuMicros: sum((sample) => sample.cpuMicros * sample.answered) / answered,
  };
}

/** More than any server here responds to. */
const REQUESTS_PER_MS_MAX = 20;
/**
 * How many of a row's requests were sent so far. The next turn goes on from there, so that all keys of a row are used.
 */
const sent = new Map<Row, number>();

/**
 * Returns as many requests as a turn can send, from where the row's last turn stopped. With `once`, returns all of
 * them.
 */
async function nextRequests(row: Row, turnMs: number): Promise<readonly Uint8Array[]> {
  const all = await row.requests();
  const count = Math.ceil(turnMs * REQUESTS_PER_MS_MAX);
  if (row.once || all.length === 0) return all;
  const start = (sent.get(row) ?? 0) % all.length;
  return [...all.slice(start), ...all.slice(0, start)].slice(0, count);
}

async function turn(row: Row, generator: LoadGenerator, turnMs: number): Promise<Sample> {
  const requests = await nextRequests(row, turnMs);
  const { host, port, pid } = row.target;
  const once = row.once ?? false;
  const before = cpuMicros(pid);
  const result = await generator.run({
    host,
    port,
    connections: row.connections ?? CONNECTIONS,
    requests,
    expected: row.expected,
    durationMs: once ? ONCE_MAX_MS : turnMs,
    once,
  });
  const cpu = cpuMicros(pid) - before;
  sent.set(row, (sent.get(row) ?? 0) + result.answered);
  return { ...result, perSecond: result.answered / result.seconds, cpuMicros: cpu / result.answered };
}

function summarized({ name, against }: Row, samples: readonly Sample[], pairs: readonly Pair[]): Measured {
  // A row that others are compared with may not be compared itself in this run.
  const isCompared = against !== undefined && pairs.length > 0;
  return {
    name,
    against: against?.name ?? null,
    perSecond: spreadOf(samples.map((sample) => sample.perSecond)),
    p50Ms: spreadOf(samples.map((sample) => sample.p50Ms)).median,
    p99Ms: spreadOf(samples.map((sample) => sample.p99Ms)).median,
    cpuMicros: spreadOf(samples.map((sample) => sample.cpuMicros)),
    cpuRatio: isCompared ? spreadOf(pairs.map(({ other, own }) => other.cpuMicros / own.cpuMicros)) : null,
    throughputRatio: isCompared ? spreadOf(pairs.map(({ other, own }) => own.perSecond / other.perSecond)) : null,
    generatorShare: Math.max(...samples.map((sample) => sample.generatorShare)),
    answered: samples.reduce((sum, sample) => sum + sample.answered, 0),
    wrong: samples.reduce((sum, sample) => sum + sample.wrong, 0),
    firstWrong: samples.find((sample) => sample.firstWrong !== null)?.firstWrong ?? null,
  };
}
