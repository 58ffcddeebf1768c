/**
 * Generators of histories, and the checks that compare the service with the model. The tests and the longer campaigns
 * share them.
 */
import fc from 'fast-check';
import { expect } from 'vitest';
import { api, createTenant, walk } from '../support/api.ts';
import { advance } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';
import { type Executed, execute, expected, observe, observeOwners, type Run, repeat } from './driver.ts';
import { apply, type Command, copyModel, emptyModel, type Model } from './model.ts';

/** The context in which a command is generated: all ids made so far, in order, and the versions of the keys. */
type Scene = { keys: readonly string[]; versionOf: (key: string) => number };

/** A command whose key is chosen by position among all keys made so far, so that a generated history fits any run. */
type Template = (scene: Scene) => Command | null;

/** A command, sent twice under one `Idempotency-Key` or once; or an earlier request, sent again. */
type Action = { label: string; run: Template; twice: boolean } | { label: string; again: number };
type Disturbance = { label: string; disturb: 'evict' | 'alarm' } | { label: string; wait: number };

export type Step = Action | Disturbance;

// Only a few different durations, so that ends of grace, expiries and steps of time often fall into the same
// millisecond.
const DURATIONS_MS = [1000, 2000, 3000, 5000];
const duration = fc.constantFrom(...DURATIONS_MS);
const position = fc.nat({ max: 1000 });
const expiresIn = fc.option(fc.constantFrom(...DURATIONS_MS, ...DURATIONS_MS, 0), { nil: null });
const owner = fc.constantFrom(null, 'o1', 'o2');

/** Chooses one of several, with these weights. */
function weighted<T>(...choices: readonly (readonly [weight: number, fc.Arbitrary<T>])[]): fc.Arbitrary<T> {
  return fc.oneof(...choices.map(([weight, arbitrary]) => ({ weight, arbitrary })));
}

const newKey = fc.record({ name: fc.constantFrom('a', 'ab', 'b'), owner, expiresIn, enabled: fc.boolean() });

const ownerPatch = fc.record({ name: fc.constantFrom(null, 'n'), enabled: fc.boolean() }, { requiredKeys: [] });

const onTenant = weighted<Command>(
  [4, newKey.map((input) => ({ type: 'create', ...input }))],
  [1, fc.array(newKey, { minLength: 1, maxLength: 3 }).map((keys) => ({ type: 'createMany', keys }))],
  [2, fc.array(newKey, { minLength: 1, maxLength: 2 }).map((keys) => ({ type: 'import', keys }))],
  [1, fc.constantFrom('o1', 'o2').map((of) => ({ type: 'revokeOwner', owner: of }))],
  [
    2,
    fc.tuple(fc.constantFrom('o1', 'o2'), ownerPatch).map(([of, fields]) => ({
      ...{ type: 'patchOwner', owner: of, ...fields },
    })),
  ],
  [
    1,
    fc.oneof(
      fc.record({
        type: fc.constant('createOwner' as const),
        owner: fc.constantFrom('o1', 'o2'),
        enabled: fc.boolean(),
      }),
      fc.record({ type: fc.constant('deleteOwner' as const), owner: fc.constantFrom('o1', 'o2') }),
    ),
  ],
);

const patch = fc.record(
  {
    name: fc.constantFrom('a', 'c'),
    owner,
    scopes: fc.constantFrom<string[]>([], ['a:b'], ['a:b', 'c:*']),
    enabled: fc.boolean(),
    expiresIn,
  },
  { requiredKeys: [] },
);

type CommandOnKey = Extract<Command, { key: string }>;

/** Applies to whichever key is chosen. */
const onKey = weighted<CommandOnKey>(
  [
    3,
    fc.tuple(fc.constantFrom(0, ...DURATIONS_MS), fc.option(expiresIn, { nil: undefined })).map(([grace, expiry]) => ({
      ...{ type: 'rotate', key: '', grace },
      ...(expiry === undefined ? {} : { expiresIn: expiry }),
    })),
  ],
  [2, patch.map((fields) => ({ type: 'patch', key: '', ...fields }))],
  [2, fc.constant({ type: 'verify', key: '' })],
  [1, fc.boolean().map((lineage) => ({ type: 'revoke', key: '', lineage }))],
  [3, fc.constantFrom('complete', 'cancel', 'delete').map((type) => ({ type, key: '' }))],
);

/** The difference between the version in `If-Match` and the real one. Mostly there is no `If-Match`. */
const versionOff = weighted([4, fc.constant(null)], [1, fc.constantFrom<number | null>(0, 0, -1, 1)]);

type Templated = { label: string; run: Template };

const keyAt = ({ keys }: Scene, at: number) => (keys.length === 0 ? undefined : keys[at % keys.length]);

const template = weighted<Templated>(
  [5, onTenant.map((command) => ({ label: JSON.stringify(command), run: () => command }))],
  [
    1,
    fc.array(position, { minLength: 1, maxLength: 3 }).map((positions) => ({
      label: `revoke #${positions}`,
      run: (scene) => {
        const keys = positions.flatMap((at) => keyAt(scene, at) ?? []);
        return keys.length === 0 ? null : { type: 'revokeIds', keys };
      },
    })),
  ],
  [
    11,
    fc.tuple(position, onKey, versionOff).map(([at, command, off]) => ({
      label: `#${at} ${JSON.stringify(command)}${off === null ? '' : ` If-Match ${off}`}`,
      run: (scene) => {
        const key = keyAt(scene, at);
        if (key === undefined) return null;
        return { ...command, key, ...(off === null ? {} : { ifVersion: scene.versionOf(key) + off }) };
      },
    })),
  ],
);

const action = weighted<Action>(
  [9, template.map((command) => ({ ...command, twice: false }))],
  [3, template.map(({ label, run }) => ({ label: `${label} twice`, run, twice: true }))],
  [1, position.map((again) => ({ label: `again #${again}`, again }))],
);

const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  fc.constantFrom<Disturbance>({ label: 'evict', disturb: 'evict' }, { label: 'alarm', disturb: 'alarm' }),
  fc.oneof(duration, fc.constantFrom(1, 999, 1000)).map((wait) => ({ label: `wait ${wait}`, wait })),
);

/** Steps one after the other. */
export const history = fc.array(fc.oneof({ weight: 3, arbitrary: action }, { weight: 1, arbitrary: disturbance }), {
  minLength: 1,
  maxLength: 25,
});

/** Rounds of up to four concurrent commands, with a disturbance between rounds. */
export const interleaving = fc.array(
  fc.record({
    actions: fc.array(action, { minLength: 1, maxLength: 4 }),
    after: fc.option(disturbance, { nil: null }),
  }),
  { minLength: 1, maxLength: 6 },
);

let tenants = 0;

async function newRun(): Promise<Run> {
  tenants += 1;
  const tenantId = `model-${tenants}`;
  // Longer than any history, so that the model needs no purge.
  await createTenant(tenantId, { settings: { retentionSeconds: 1_000_000 } });
  return { tenantId, secrets: new Map(), kept: [] };
}

async function disturb(tenantId: string, step: Disturbance): Promise<void> {
  if ('wait' in step) advance(step.wait);
  if ('disturb' in step && step.disturb === 'evict') await evict(tenantId);
  if ('disturb' in step && step.disturb === 'alarm') await runDueAlarm(tenantId);
}

function sceneOf(model: Model, keys: readonly string[]): Scene {
  return { keys, versionOf: (key) => model.keys.get(key)?.version ?? 1 };
}

/** Runs steps one after the other and compares every response, and finally the whole visible state. */
export async function checkHistory(steps: readonly Step[]): Promise<void> {
  const run = await newRun();
  const model = emptyModel();
  const born: string[] = [];
  for (const step of steps) {
    if ('again' in step) await repeat(run, step.again);
    else if ('run' in step) {
      const command = step.run(sceneOf(model, born));
      if (command === null) continue;
      const executed = await execute(run, command, step.twice);
      expect(executed.observation, step.label).toEqual(apply(model, command, executed.born, Date.now()));
      born.push(...executed.born);
    } else await disturb(run.tenantId, step);
  }
  await checkState(run, model);
}

/**
 * Sends each round's commands at once and looks for a serial order in which the model gives the same results and the
 * same state.
 */
export async function checkInterleaving(
  rounds: readonly { actions: readonly Action[]; after: Disturbance | null }[],
): Promise<void> {
  const run = await newRun();
  let model = emptyModel();
  const born: string[] = [];
  for (const { actions, after } of rounds) {
    const scene = sceneOf(model, born);
    const results = await Promise.all(actions.map((step) => carryOut(run, step, scene)));
    const calls = results.filter((call) => call !== null);
    const [state, owners] = [await observe(run.tenantId), await observeOwners(run.tenantId)];
    const explained = explain(model, calls, (candidate) => sameState(state, owners, candidate));
    const start = JSON.stringify([[...model.keys], [...model.owners]]);
    const end = JSON.stringify([[...state], [...owners]]);
    expect(explained, `no serial order explains ${JSON.stringify(calls)} from ${start} to ${end}`).not.toBeNull();
    model = explained ?? model;
    born.push(...calls.flatMap(({ executed }) => executed.born));
    if (after !== null) await disturb(run.tenantId, after);
  }
  await checkState(run, model);
}

type CallMade = { command: Command; executed: Executed };

/** Returns the call that needs an explanation, or null for a repetition, which must have no effect. */
async function carryOut(run: Run, step: Action, scene: Scene): Promise<CallMade | null> {
  if ('again' in step) {
    await repeat(run, step.again);
    return null;
  }
  const command = step.run(scene);
  return command && { command, executed: await execute(run, command, step.twice) };
}

/**
 * Returns the model after an order of the calls that gives each its observed result and ends in the observed state.
 * Returns null if there is none.
 */
function explain(model: Model, calls: readonly CallMade[], accepts: (model: Model) => boolean): Model | null {
  if (calls.length === 0) return accepts(model) ? model : null;
  for (const [index, { command, executed }] of calls.entries()) {
    const next = copyModel(model);
    const observation = apply(next, command, executed.born, Date.now());
    if (canonical(observation) !== canonical(executed.observation)) continue;
    const explained = explain(next, calls.toSpliced(index, 1), accepts);
    if (explained !== null) return explained;
  }
  return null;
}

type State = ReadonlyMap<string, object>;

function sameState(keys: State, owners: State, model: Model): boolean {
  const same = (found: State, wanted: State) =>
    found.size === wanted.size && [...wanted].every(([id, of]) => canonical(of) === canonical(found.get(id)));
  return same(keys, expected(model, Date.now())) && same(owners, model.owners);
}

const canonical = (value: object | undefined) => JSON.stringify(Object.entries(value ?? {}).sort());

/** More alarms than this in a row, without time passing, would go on for ever. */
const ALARMS_AT_ONCE_MAX = 10;

async function runDueAlarms(tenantId: string): Promise<void> {
  for (let alarms = 0; await runDueAlarm(tenantId); alarms++) expect(alarms).toBeLessThan(ALARMS_AT_ONCE_MAX);
}

/**
 * Checks that everything visible agrees with the model, that each mutation has one audit entry, and that alarms bring
 * storage into the state that responses already show.
 */
async function checkState(run: Run, model: Model): Promise<void> {
  const now = Date.now();
  expect(await observe(run.tenantId)).toEqual(expected(model, now));
  expect(await observeOwners(run.tenantId)).toEqual(model.owners);
  for (const status of ['active', 'rotating', 'rotated', 'disabled', 'expired', 'revoked']) {
    const listed = await walk(`/tenants/${run.tenantId}/keys?limit=3&status=${status}`);
    const wanted = [...expected(model, now)].filter(([, key]) => key.status === status).map(([id]) => id);
    expect(listed.map((key) => key.id).sort(), status).toEqual(wanted.sort());
  }
  const counts: Record<string, number> = { active: 0, rotating: 0, rotated: 0, disabled: 0, expired: 0, revoked: 0 };
  for (const { status } of expected(model, now).values()) counts[status] = (counts[status] ?? 0) + 1;
  const counted = await api('GET', `/tenants/${run.tenantId}/keys/counts`);
  expect(counted.body).toEqual({ ...counts, total: expected(model, now).size, exact: true });
  const mutations = (await walk(`/tenants/${run.tenantId}/audit?limit=100`)).filter(
    (entry) => entry.action !== 'tenant.create',
  );
  expect(mutations.length).toBe(model.mutations);
  expect(new Set(mutations.map((entry) => entry.id)).size).toBe(model.mutations);
  await runDueAlarms(run.tenantId);
  await checkCounts(run.tenantId);
  const stored = await sqlIn(run.tenantId, 'SELECT id, status FROM keys');
  expect(new Map(stored.map((row) => [row.id, row.status]))).toEqual(
    new Map([...expected(model, now)].map(([id, key]) => [id, key.status])),
  );
  expect(await observe(run.tenantId)).toEqual(expected(model, now));
}

/** The stored counts agree with the rows that they count. */
async function checkCounts(tenantId: string): Promise<void> {
  const [row] = await sqlIn(tenantId, 'SELECT counts FROM key_counts');
  const kept: unknown = JSON.parse(String(row?.counts ?? '{}'));
  const counted = await sqlIn(
    tenantId,
    `SELECT * FROM (
       SELECT 'keys' AS kind, 0 AS entry, count(*) AS n FROM keys
       UNION ALL SELECT 'envelope', sealing_key_id, count(*) FROM keys WHERE sealing_key_id IS NOT NULL GROUP BY 2
       UNION ALL SELECT 'signature', signing_key_id, count(*) FROM keys WHERE ended_at IS NULL GROUP BY 2
       UNION ALL SELECT 'status', CASE status
         WHEN 'active' THEN 0 WHEN 'rotating' THEN 1 WHEN 'rotated' THEN 2 WHEN 'disabled' THEN 3 WHEN 'expired' THEN 4
         WHEN 'revoked' THEN 5 END, count(*) FROM keys GROUP BY status
     ) WHERE n <> 0 ORDER BY kind, entry`,
  );
  expect(kept).toEqual(Object.fromEntries(counted.map(({ kind, entry, n }) => [`${kind}/${entry}`, n])));
}
