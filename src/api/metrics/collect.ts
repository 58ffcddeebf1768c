/**
 * The metrics as text: what this isolate has counted, and what it looks up for each scrape. That costs one call to the
 * directory, and none to any tenant.
 */

import { isolateMemory } from '../../../domain/memory/budget.ts';
import { FAMILIES, largestTenants } from '../../../domain/metrics/isolate-metrics.ts';
import { MetricsText, type Reading } from '../../../domain/metrics/text-format.ts';
import type { DirectoryOverview } from '../../../durable-objects/directory/entries.ts';
import { Problem } from '../../http/problem.ts';
import type { ObjectClient } from '../../object-client.ts';
import { VERSION } from '../../version.ts';

/**
 * How long the directory has to answer (ms). Numbers are wanted most when storage hangs, so a scrape goes on without
 * those of the directory, before Prometheus gives it up after 10 s.
 */
const DIRECTORY_WAIT_MS = 2000;

/** What is looked up for a scrape. */
type LookedUp = {
  /** Null when the directory does not answer. */
  readonly directory: DirectoryOverview | null;
  readonly mayGrow: boolean;
};

/** All metrics of this isolate, which started at `startedAt` (ms). */
export async function collect(objects: ObjectClient, startedAt: number): Promise<string> {
  const [directory, mayGrow] = await Promise.all([
    Promise.race([
      unlessItFails(objects.directory((directory) => directory.overview())),
      scheduler.wait(DIRECTORY_WAIT_MS).then(() => null),
    ]),
    unlessItFails(objects.requireRoom().then(() => true)),
  ]);
  return textOf({ directory, mayGrow: mayGrow === true }, startedAt);
}

async function unlessItFails<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

function textOf({ directory, mayGrow }: LookedUp, startedAt: number): string {
  const text = new MetricsText()
    .readings('gauge', 'keystead_build_info', 'The version of the program.', ['version'], [of(1, VERSION)])
    .readings(
      'gauge',
      'keystead_start_time_seconds',
      'When this isolate got its first request.',
      [],
      [of(startedAt / 1000)],
    );
  for (const family of FAMILIES) text.family(family);
  return text
    .readings('gauge', 'keystead_cache_bytes', 'What all caches hold.', [], [of(isolateMemory.bytes)])
    .readings('gauge', 'keystead_cache_budget_bytes', 'What all caches may hold.', [], [of(isolateMemory.bytesMax)])
    .readings(
      'counter',
      'keystead_cache_evictions_total',
      'Entries that gave way to others.',
      [],
      [of(isolateMemory.evictions)],
    )
    .readings(
      'gauge',
      'keystead_storage_may_grow',
      'Whether changes that add data are accepted.',
      [],
      [of(mayGrow ? 1 : 0)],
    )
    .readings(
      'gauge',
      'keystead_directory_up',
      'Whether the directory of tenants answered this scrape.',
      [],
      [of(directory === null ? 0 : 1)],
    )
    .readings('gauge', 'keystead_tenants', 'Tenants.', [], directory === null ? [] : [of(directory.tenants)])
    .readings(
      'gauge',
      'keystead_deletions_pending',
      'Deletions of tenants that are decided and not finished.',
      [],
      directory === null ? [] : [of(directory.deletions)],
    )
    .readings(
      'gauge',
      'keystead_tenant_keys',
      'Keys by stored status, of the largest tenants that were in use since the start.',
      ['tenant', 'status'],
      [...keysOfLargest()],
    )
    .toString();
}

const of = (value: number, ...values: string[]): Reading => ({ values, value });

function* keysOfLargest(): Generator<Reading> {
  for (const { tenantId, counts } of largestTenants.all()) {
    for (const [status, n] of Object.entries(counts)) yield of(n, tenantId, status);
  }
}
