/** Selects the rows of a run and makes the data they need. Data is made only for rows that were asked for. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { coldRow } from './cold.ts';
import type { Means } from './means.ts';
import type { Row } from './measure.ts';
import type { Options } from './options.ts';
import * as names from './report/names.ts';
import { floorRow, type KeysOf, lastPage, peerRow, Rows, SMALL } from './rows.ts';
import type { Key, TenantSettings } from './servers/api.ts';
import { isPeerInstalled, PEER_INSTALLATION, startPeer } from './servers/peer.ts';

export type Plan = {
  readonly rows: readonly Row[];
  readonly filledPerSecond: number | null;
  readonly notes: string[];
  /** One key in each of many tenants, made when they are first needed. */
  readonly tenantKeys: () => Promise<readonly Key[]>;
};

const NOTHING = { rows: [], filledPerSecond: null };
/** No leases: every verification calls the object. */
const STRICT_SETTINGS = { leaseSeconds: 0 };
const LEASED_SETTINGS = { leaseSeconds: 1 };
/**
 * Keys of the leased row: verified again and again within each lease. And keys with limits, so that what is measured is
 * regular use: the first uses of a counter write a row each time.
 */
const HOT = 50;
/** More than any run uses, so that each verification stays far below half of it. */
const LIMITED = { rateLimits: [{ name: 'calls', limit: 1_000_000, windowSeconds: 60 }] };
const WITH_CREDITS = { credits: { remaining: 1_000_000_000 } };
/** The plan of all keys of a tenant. Its limit costs only those verifications that name it. */
const PLAN_LIMIT = 'exports';
const PLAN = {
  id: 'plan',
  rateLimits: [{ name: PLAN_LIMIT, limit: 1_000_000, windowSeconds: 60, automatic: false }],
};
const OF_PLAN = { plan: PLAN.id };
/** Tenants in use at the same time. */
const AWAKE = 200;

export const isWanted = ({ rows }: Options, name: string) =>
  rows.length === 0 || rows.some((part) => name.includes(part));

export async function planOf(means: Means): Promise<Plan> {
  const { options, small, large, floors, generator, progress } = means;
  progress.step(`a tenant of ${SMALL} keys`);
  const rows = new Rows(small, generator);
  const strictTenant = await rows.small(STRICT_SETTINGS);
  const [key] = strictTenant.keys;
  if (key === undefined) throw new Error('no keys were made');
  const floorA = floorRow(names.FLOOR_A, '/a', floors, key);
  const floorB = floorRow(names.FLOOR_B, '/b', floors, key);
  const floorC = floorRow(names.FLOOR_C, '/c', floors, key);
  const strict = rows.verify(names.STRICT, strictTenant.keys, floorB);
  const leasedTenant = await rows.small(LEASED_SETTINGS);
  const leased = rows.verify(names.LEASED, leasedTenant.keys.slice(0, HOT), floorA);
  const evenly = isWanted(options, names.LEASED_EVENLY) ? await rows.small(LEASED_SETTINGS, names.EVENLY_OVER) : null;
  const prepared = () => rows.prepared();
  const smallRows = [
    rows.forged(names.FORGED, strictTenant.keys, floorA),
    leased,
    ...(await limitedRows(means, rows, { leased, strict, floorC })),
    ...(await importedRows(means, rows, { leased, strict })),
    ...(evenly === null ? [] : [rows.verifyAwake(names.LEASED_EVENLY, evenly.keys, leased)]),
    rows.verifyFresh(names.LEASED_FRESH, leasedTenant.keys.slice(HOT), floorB),
    strict,
    rows.create(names.CREATE, async () => (await prepared()).tenantId, floorC),
    rows.rotate(names.ROTATE, prepared, floorC),
    rows.revoke(names.REVOKE, prepared, floorC),
    rows.revokeLeased(names.REVOKE_LEASED, () => rows.small(LEASED_SETTINGS)),
    rows.list(names.LIST_25, strictTenant.tenantId, null, rows.key(names.GET_KEY, strictTenant.tenantId, key), 25),
  ];
  await prepare(rows, means, [names.CREATE, names.ROTATE, names.REVOKE]);
  const cold = isWanted(options, names.COLD) ? [await coldRow(means)] : [];
  const growth = await growthRows(means, new Rows(large, generator));
  let made: Promise<Key[]> | undefined;
  const tenantKeys = () => {
    made ??= keysOfTenants(means);
    return made;
  };
  const tenants = await tenantRows(means, new Rows(means.many, generator), tenantKeys, floorB);
  const notes: string[] = [];
  const peers = await peerRows(means, strict, notes);
  const all = [...smallRows, ...cold, ...growth.rows, ...tenants, ...peers];
  const { filledPerSecond } = growth;
  return { rows: all.filter(({ name }) => isWanted(options, name)), filledPerSecond, notes, tenantKeys };
}

/** Rows about keys with limits and credits, each compared with keys that have none, or with the floor of a write. */
async function limitedRows(
  { options }: Means,
  rows: Rows,
  { leased, strict, floorC }: { readonly leased: Row; readonly strict: Row; readonly floorC: Row },
): Promise<Row[]> {
  const wanted: Row[] = [];
  const add = async (name: string, settings: TenantSettings, count: number, extra: object, against: Row) => {
    if (!isWanted(options, name)) return;
    wanted.push(rows.verify(name, (await rows.small(settings, count, { extra })).keys, against));
  };
  await add(names.LEASED_LIMITED, LEASED_SETTINGS, HOT, LIMITED, leased);
  await add(names.STRICT_LIMITED, STRICT_SETTINGS, HOT, LIMITED, strict);
  await add(names.STRICT_CREDITS, STRICT_SETTINGS, SMALL, WITH_CREDITS, floorC);
  return wanted;
}

/** Rows about keys that were issued elsewhere, each compared with keys of our own. */
async function importedRows(
  { options }: Means,
  rows: Rows,
  { leased, strict }: { readonly leased: Row; readonly strict: Row },
): Promise<Row[]> {
  const wanted: Row[] = [];
  const add = async (name: string, settings: TenantSettings, count: number, against: Row) => {
    if (isWanted(options, name)) wanted.push(rows.verifyImported(name, await rows.imported(settings, count), against));
  };
  await add(names.LEASED_IMPORTED, LEASED_SETTINGS, HOT, leased);
  await add(names.STRICT_IMPORTED, STRICT_SETTINGS, SMALL, strict);
  return wanted;
}

/** Makes the small tenants that the turns of these mutation rows use up, one tenant a turn. */
async function prepare(rows: Rows, { options, progress }: Means, users: readonly string[]): Promise<void> {
  const count = users.filter((name) => isWanted(options, name)).length * (options.rounds + 1);
  if (count > 0) progress.step(`${count} tenants of ${SMALL} keys`);
  await rows.prepare(count, STRICT_SETTINGS);
}

/**
 * Rows about a tenant with many keys, each compared with the same row about a small tenant on the same server. All keys
 * of both have the same plan. Each turn of mutations takes new keys.
 */
async function growthRows(means: Means, rows: Rows): Promise<Pick<Plan, 'rows' | 'filledPerSecond'>> {
  const { options, progress } = means;
  const { api } = means.large;
  const { keys } = options;
  const last = names.listLast(options);
  const spread = names.spreadOver(keys);
  const judged = names.spreadJudged(options);
  const own = [
    names.strictAt(keys),
    names.plannedAt(keys),
    names.changePlanAt(keys),
    names.createAt(keys),
    names.rotateAt(keys),
    names.strictSpread(keys, spread),
    last,
  ];
  if (!own.some((name) => isWanted(options, name))) {
    if (!isWanted(options, judged)) return NOTHING;
    return { rows: [await judgedSpread(means, rows)], filledPerSecond: null };
  }
  progress.step(`a tenant of ${keys} keys`);
  const tenantId = 'bench-large';
  await api.createTenant(tenantId, STRICT_SETTINGS);
  await api.createPlan(tenantId, PLAN);
  const startedAt = performance.now();
  const sample = await api.fill(tenantId, keys, spread, (done) => progress.detail(`${done} made`), OF_PLAN);
  const filledPerSecond = (keys / (performance.now() - startedAt)) * 1000;
  const cursor = isWanted(options, last) ? await lastPage(api, tenantId, keys, progress) : null;
  const few = sample.filter((_, i) => i % Math.ceil(sample.length / SMALL) === 0);
  const beside = await rows.small(STRICT_SETTINGS, SMALL, { plan: PLAN, extra: OF_PLAN });
  const strict = rows.verify(names.STRICT_PLAN_BESIDE, beside.keys);
  const prepared = () => rows.prepared();
  const planned = rows.verifyLimit(names.PLANNED_BESIDE, beside.keys.slice(0, HOT), PLAN_LIMIT);
  const changePlan = rows.changePlan(names.CHANGE_PLAN_BESIDE, beside.tenantId, PLAN.id);
  const create = rows.create(names.CREATE_BESIDE, async () => (await prepared()).tenantId);
  const rotate = rows.rotate(names.ROTATE_BESIDE, prepared);
  await prepare(rows, means, [names.createAt(keys), names.rotateAt(keys)]);
  return {
    filledPerSecond,
    rows: [
      rows.verify(names.strictAt(keys), few, strict),
      rows.verify(names.strictSpread(keys, spread), sample, strict),
      ...(keys > names.SPREAD_OF && isWanted(options, judged) ? [await judgedSpread(means, rows)] : []),
      rows.verifyLimit(names.plannedAt(keys), few.slice(0, HOT), PLAN_LIMIT, planned),
      rows.changePlan(names.changePlanAt(keys), tenantId, PLAN.id, changePlan),
      rows.create(names.createAt(keys), () => tenantId, create),
      rows.rotate(names.rotateAt(keys), inTurns(tenantId, sample), rotate),
      rows.list(last, tenantId, cursor, rows.list(names.LIST_FIRST, tenantId, null)),
    ],
  };
}

/** Different keys of a tenant of moderate size, to measure the cost of keys that memory does not hold. */
async function judgedSpread({ options, large, progress }: Means, rows: Rows): Promise<Row> {
  const strict = rows.verify(names.STRICT_BESIDE, (await rows.small(STRICT_SETTINGS)).keys);
  const keys = Math.min(options.keys, names.SPREAD_OF);
  progress.step(`a tenant of ${keys} keys`);
  const tenantId = 'bench-spread';
  await large.api.createTenant(tenantId, STRICT_SETTINGS);
  const sample = await large.api.fill(tenantId, keys, names.spreadOver(keys), (done) =>
    progress.detail(`${done} made`),
  );
  return rows.verify(names.spreadJudged(options), sample, strict);
}

/** Returns the next keys that were not rotated yet, spread over the whole tenant. */
function inTurns(tenantId: string, sample: readonly Key[]): () => Promise<KeysOf> {
  const STRIDE = 7919;
  let next = 0;
  return async () => {
    const keys: Key[] = [];
    const wanted = Math.min(SMALL / 2, Math.floor(sample.length / 20));
    for (; keys.length < wanted; next++) {
      const key = sample[(next * STRIDE) % sample.length];
      if (key !== undefined) keys.push(key);
    }
    return { tenantId, keys };
  };
}

/** Rows about many tenants: most of them asleep, as in practice, and a few that are all in use. */
async function tenantRows({ options }: Means, rows: Rows, tenantKeys: Plan['tenantKeys'], floor: Row): Promise<Row[]> {
  const few = Math.min(AWAKE, Math.floor(options.tenants / 2));
  const [awake, asleep] = [names.strictAwake(few), names.strictAsleep(options)];
  if (!isWanted(options, awake) && !isWanted(options, asleep)) return [];
  const keys = await tenantKeys();
  return [rows.verifyAwake(awake, keys.slice(0, few), floor), rows.verifyAsleep(asleep, keys.slice(few), floor)];
}

/** Makes one key in each of many tenants. */
async function keysOfTenants({ options, many: { api }, progress }: Means): Promise<Key[]> {
  progress.step(`${options.tenants} tenants of one key`);
  const keys: Key[] = [];
  const AT_ONCE = 16;
  let next = 0;
  const make = async () => {
    while (next < options.tenants) {
      const number = next++;
      await api.createTenant(`bench-many-${number}`, STRICT_SETTINGS);
      keys.push(...(await api.createKeys(`bench-many-${number}`, 1)));
      progress.detail(`${keys.length} made`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, make));
  return keys;
}

async function peerRows({ options, progress, folder, stack }: Means, strict: Row, notes: string[]): Promise<Row[]> {
  if (!isWanted(options, names.PEER) && !isWanted(options, names.PEER_UNLIMITED)) return [];
  if (!isPeerInstalled()) {
    notes.push(`better-auth is not installed, so its rows are missing; to have them: ${PEER_INSTALLATION}`);
    return [];
  }
  progress.step('better-auth, with and without its rate limit');
  const path = join(folder, 'better-auth');
  mkdirSync(path, { recursive: true });
  const limited = stack.use(await startPeer(path, 'on'));
  const unlimited = stack.use(await startPeer(path, 'off'));
  notes.push(
    [
      'better-auth: one node process, SQLite with WAL and synchronous=FULL.',
      "A verification of the plugin writes the key's row (rate limit, last request, update time)",
      'in separate statements, each synced; it authenticates no caller.',
      "Keystead's answers from the record, notes the use in memory and writes it once a minute, and authenticates",
      'the caller.',
    ].join(' '),
  );
  return [peerRow(names.PEER, limited, strict), peerRow(names.PEER_UNLIMITED, unlimited, strict)];
}
