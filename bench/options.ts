/**
 * The options of `npm run bench -- …`. The defaults are the full size. `--quick` takes a minute or two and shows only
 * that everything works.
 */
import { parseArgs } from 'node:util';

export type Options = {
  /** Whether these are the small sizes, whose results are kept apart. */
  readonly quick: boolean;
  /** Keys in the large tenant. */
  readonly keys: number;
  /** Tenants of the row that verifies over many tenants. */
  readonly tenants: number;
  /** Keys of the cleanup, of the disk figures and of those of usage. */
  readonly batch: number;
  /** How often each row is measured. Many short turns are disturbed less by other programs than a few long ones. */
  readonly rounds: number;
  readonly turnMs: number;
  /** Processes that verify by leases of their own at the same time, and for how many lease periods. */
  readonly clients: number;
  readonly leasePeriods: number;
  /** Parts of row names. Empty selects all rows. */
  readonly rows: readonly string[];
  /** A file for the results, in addition to bench/results. Null writes none. */
  readonly json: string | null;
};

const FULL = {
  keys: 1_000_000,
  tenants: 10_000,
  batch: 100_000,
  rounds: 12,
  turnMs: 700,
  clients: 50,
  leasePeriods: 10,
};
const QUICK = { keys: 5000, tenants: 100, batch: 1000, rounds: 2, turnMs: 120, clients: 8, leasePeriods: 3 };

export const USAGE = `\
npm run bench -- [--quick] [--keys N] [--tenants N] [--batch N] [--rounds N] [--clients N] \
[--rows a,b] [--json FILE]
  --quick    small sizes and two rounds, a minute or two, nothing judged; results go to bench/results/quick.*
  --keys     keys in the large tenant (${FULL.keys})
  --tenants  tenants of the row that verifies over many (${FULL.tenants})
  --batch    keys of the cleanup, the disk and the usage figures (${FULL.batch})
  --rounds   how often each row is measured (${FULL.rounds})
  --clients  processes that verify by leases of their own (${FULL.clients})
  --rows     only rows and figures whose names have one of these texts; results are printed, \
not written to bench/results
  --json     write the results to this file too`;

/** Returns the options, or a message for the user when they are wrong. */
export function readOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        keys: { type: 'string' },
        tenants: { type: 'string' },
        batch: { type: 'string' },
        rounds: { type: 'string' },
        clients: { type: 'string' },
        rows: { type: 'string' },
        json: { type: 'string' },
      },
    });
    const size = values.quick ? QUICK : FULL;
    return {
      quick: values.quick,
      keys: count(values.keys, size.keys),
      tenants: count(values.tenants, size.tenants),
      batch: count(values.batch, size.batch),
      rounds: count(values.rounds, size.rounds),
      turnMs: size.turnMs,
      clients: count(values.clients, size.clients),
      leasePeriods: size.leasePeriods,
      rows: values.rows?.split(',').map((row) => row.trim()) ?? [],
      json: values.json ?? null,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function count(text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (!/^[1-9]\d{0,7}$/.test(text)) throw new Error(`${text} is not a whole number from 1 to 99999999`);
  return Number(text);
}
