/** Generators of histories and the checks that hold the service against the model. Shared by the tests and the longer campaigns. */
import fc from 'fast-check';
import { expect } from 'vitest';
import { createTenant, walk } from '../support/api.ts';
import { advance } from '../support/clock.ts';
import { evict, runDueAlarm, sqlIn } from '../support/objects.ts';
import { execute, expected, observe, type Run } from './driver.ts';
import { apply, type Command, copyModel, emptyModel, type Model, type Observation } from './model.ts';

/** A command whose key is chosen by position among all keys made so far, so that a generated history fits any run. */
type Template = (keys: readonly string[]) => Command | null;

export type Step =
  | { label: string; run: Template }
  | { label: string; disturb: 'evict' | 'alarm' }
  | { label: string; wait: number };

// Few different durations, so that ends of grace, expiries and steps of time often meet in the very same millisecond.
const DURATIONS_MS = [1000, 2000, 3000, 5000];
const duration = fc.constantFrom(...DURATIONS_MS);
const pick = fc.nat({ max: 1000 });
const expiresIn = fc.option(duration, { nil: null });

const onKey = (position: number, make: (key: string) => Command): Template => {
  return (keys) => {
    const key = keys.length === 0 ? undefined : keys[position % keys.length];
    return key === undefined ? null : make(key);
  };
};

const template: fc.Arbitrary<{ label: string; run: Template }> = fc.oneof(
  fc
    .record({
      name: fc.constantFrom('a', 'ab', 'b'),
      owner: fc.constantFrom(null, 'o1', 'o2'),
      expiresIn,
      enabled: fc.boolean(),
    })
    .map((input) => ({ label: `create ${JSON.stringify(input)}`, run: () => ({ type: 'create' as const, ...input }) })),
  fc
    .tuple(pick, fc.constantFrom(0, ...DURATIONS_MS), fc.option(expiresIn, { nil: undefined }))
    .map(([position, grace, expiry]) => ({
      label: `rotate #${position} grace ${grace} expiry ${expiry}`,
      run: onKey(position, (key) => ({
        type: 'rotate',
        key,
        grace,
        ...(expiry === undefined ? {} : { expiresIn: expiry }),
      })),
    })),
  pick.map((position) => ({ label: `revoke #${position}`, run: onKey(position, (key) => ({ type: 'revoke', key })) })),
  pick.map((position) => ({ label: `delete #${position}`, run: onKey(position, (key) => ({ type: 'delete', key })) })),
  fc
    .tuple(pick, fc.record({ name: fc.constantFrom('a', 'c'), enabled: fc.boolean(), expiresIn }, { requiredKeys: [] }))
    .map(([position, patch]) => ({
      label: `patch #${position} ${JSON.stringify(patch)}`,
      run: onKey(position, (key) => ({ type: 'patch', key, ...patch })),
    })),
  pick.map((position) => ({ label: `verify #${position}`, run: onKey(position, (key) => ({ type: 'verify', key })) })),
);

const disturbance: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom<Step>({ label: 'evict', disturb: 'evict' }, { label: 'alarm', disturb: 'alarm' }),
  fc.oneof(duration, fc.constantFrom(1, 999, 1000)).map((wait) => ({ label: `wait ${wait}`, wait })),
);

/** Steps one after the other. */
export const history = fc.array(fc.oneof({ weight: 3, arbitrary: template }, { weight: 1, arbitrary: disturbance }), {
  minLength: 1,
  maxLength: 25,
});

/** Rounds of up to four commands at once, with a disturbance between rounds. */
export const interleaving = fc.array(
  fc.record({
    commands: fc.array(template, { minLength: 1, maxLength: 4 }),
    after: fc.option(disturbance, { nil: null }),
  }),
  { minLength: 1, maxLength: 6 },
);

let tenants = 0;

async function newRun(): Promise<Run> {
  tenants += 1;
  const tenantId = `model-${tenants}`;
  // Retention beyond any history, so that the model needs no purge.
  await createTenant(tenantId, { settings: { retentionSeconds: 1_000_000 } });
  return { tenantId, secrets: new Map() };
}

async function disturb(tenantId: string, step: Step): Promise<void> {
  if ('wait' in step) advance(step.wait);
  if ('disturb' in step && step.disturb === 'evict') await evict(tenantId);
  if ('disturb' in step && step.disturb === 'alarm') await runDueAlarm(tenantId);
}

/** Runs steps one after the other and compares every answer, and in the end everything there is to see. */
export async function checkHistory(steps: readonly Step[]): Promise<void> {
  const run = await newRun();
  const model = emptyModel();
  const born: string[] = [];
  for (const step of steps) {
    if (!('run' in step)) {
      await disturb(run.tenantId, step);
      continue;
    }
    const command = step.run(born);
    if (command === null) continue;
    const executed = await execute(run, command);
    expect(executed.observation, step.label).toEqual(apply(model, command, executed.born, Date.now()));
    if (executed.born !== '') born.push(executed.born);
  }
  await checkState(run, model);
}

/** Sends each round's commands at once and looks for an order in which the model gives the same answers and the same state. */
export async function checkInterleaving(
  rounds: readonly { commands: readonly { label: string; run: Template }[]; after: Step | null }[],
): Promise<void> {
  const run = await newRun();
  let model = emptyModel();
  const born: string[] = [];
  for (const { commands: templates, after } of rounds) {
    const commands = templates.map((step) => step.run(born)).filter((command) => command !== null);
    const results = await Promise.all(commands.map((command) => execute(run, command)));
    const state = await observe(run.tenantId);
    const calls = commands.map((command, i) => ({
      command,
      executed: results[i] ?? { observation: { status: 0 }, born: '' },
    }));
    const explained = explain(model, calls, (candidate) => sameState(state, candidate));
    expect(
      explained,
      `no serial order explains ${JSON.stringify(calls)} from ${JSON.stringify([...model.keys])}`,
    ).not.toBeNull();
    model = explained ?? model;
    born.push(...results.map((result) => result.born).filter((id) => id !== ''));
    if (after !== null) await disturb(run.tenantId, after);
  }
  await checkState(run, model);
}

type CallMade = { command: Command; executed: { observation: Observation; born: string } };

/** The model after some order of the calls that gives each its observed answer and ends in the observed state; null if there is none. */
function explain(model: Model, calls: readonly CallMade[], accepts: (model: Model) => boolean): Model | null {
  if (calls.length === 0) return accepts(model) ? model : null;
  for (const [index, { command, executed }] of calls.entries()) {
    const next = copyModel(model);
    const observation = apply(next, command, executed.born, Date.now());
    if (observation.status !== executed.observation.status || observation.code !== executed.observation.code) continue;
    const explained = explain(next, calls.toSpliced(index, 1), accepts);
    if (explained !== null) return explained;
  }
  return null;
}

function sameState(state: ReadonlyMap<string, object>, model: Model): boolean {
  const wanted = expected(model, Date.now());
  return state.size === wanted.size && [...wanted].every(([id, key]) => canonical(key) === canonical(state.get(id)));
}

const canonical = (value: object | undefined) => JSON.stringify(Object.entries(value ?? {}).sort());

/** Everything visible agrees with the model, each mutation has one audit entry, and alarms bring storage to where the answers are already. */
async function checkState(run: Run, model: Model): Promise<void> {
  const now = Date.now();
  expect(await observe(run.tenantId)).toEqual(expected(model, now));
  for (const status of ['active', 'rotating', 'rotated', 'disabled', 'expired', 'revoked']) {
    const listed = await walk(`/tenants/${run.tenantId}/keys?limit=3&status=${status}`);
    const wanted = [...expected(model, now)].filter(([, key]) => key.status === status).map(([id]) => id);
    expect(listed.map((key) => key.id).sort(), status).toEqual(wanted.sort());
  }
  const mutations = (await walk(`/tenants/${run.tenantId}/audit?limit=100`)).filter(
    (entry) => entry.action !== 'tenant.create',
  );
  expect(mutations.length).toBe(model.mutations);
  expect(new Set(mutations.map((entry) => entry.id)).size).toBe(model.mutations);
  await runDueAlarm(run.tenantId);
  const stored = await sqlIn(run.tenantId, 'SELECT id, status FROM keys');
  expect(new Map(stored.map((row) => [row.id, row.status]))).toEqual(
    new Map([...expected(model, now)].map(([id, key]) => [id, key.status])),
  );
}
