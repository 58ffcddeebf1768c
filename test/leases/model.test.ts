/** The rules of leases in random histories; and for each rule, that a history tells when it is taken out. */
import fc from 'fast-check';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { LeaseGranter } from '../../domain/leases/granter.ts';
import { LeaseHolder } from '../../domain/leases/holder.ts';
import { outlastMs, type Renewal } from '../../domain/leases/lease.ts';
import { TenantLeases } from '../../domain/leases/tenant-leases.ts';
import { Model, type ModelEvent, WORLD_SABOTAGES, type WorldSabotage } from './model.ts';
import { LEASE_MS, RATE_MAX, RATE_MIN } from './world.ts';

const HOLDERS = 3;
const CLIENTS = 3;
const KEYS = 3;
const RUNS = inject('modelRuns') ?? 5000;

const at = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 6 * LEASE_MS }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 14 * LEASE_MS }) },
);
// Mostly quick, now and then slower than a lease lasts, so that answers arrive late and out of order.
const delay = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 20 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 * LEASE_MS }) },
);
const holder = fc.integer({ min: 0, max: HOLDERS - 1 });
const client = fc.integer({ min: 0, max: CLIENTS - 1 });
const key = fc.integer({ min: 0, max: KEYS - 1 });
const keys = fc.uniqueArray(key, { minLength: 1, maxLength: 2 });
const of = <const T extends ModelEvent['type']>(type: T) => fc.constant(type);
const event: fc.Arbitrary<ModelEvent> = fc.oneof(
  {
    weight: 18,
    arbitrary: fc.record({
      at,
      type: of('verify'),
      key,
      holder,
      there: delay,
      back: delay,
      again: fc.option(delay, { freq: 6 }),
      lost: fc.nat(9).map((n) => n === 0),
    }),
  },
  { weight: 3, arbitrary: fc.record({ at, type: of('renew'), holder, there: delay, back: delay }) },
  {
    weight: 18,
    arbitrary: fc.record({
      at,
      type: of('client'),
      key: fc.option(key, { freq: 5 }),
      client,
      holder,
      out: delay,
      home: delay,
      there: delay,
      back: delay,
    }),
  },
  { weight: 6, arbitrary: fc.record({ at, type: of('change'), keys, there: delay }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('everything'), there: delay }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('status'), active: fc.boolean(), there: delay }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('purge'), key }) },
  { weight: 2, arbitrary: fc.record({ at, type: of('read'), key, there: delay }) },
  {
    weight: 1,
    arbitrary: fc.record({ at, type: of('lease seconds'), seconds: fc.integer({ min: 0, max: 3 }), there: delay }),
  },
  { weight: 1, arbitrary: fc.record({ at, type: of('delete'), there: delay }) },
  { weight: 2, arbitrary: fc.record({ at, type: of('create'), there: delay }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('restart'), offset: fc.integer({ min: -9000, max: 9000 }) }) },
  { weight: 1, arbitrary: fc.record({ at, type: of('clock back'), holder, by: fc.integer({ min: 1, max: 5000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      at,
      type: of('short of memory'),
      of: fc.integer({ min: 0, max: HOLDERS + CLIENTS - 1 }),
      bytes: fc.integer({ min: 1, max: 20_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ at, type: of('client clock back'), client, by: fc.integer({ min: 1, max: 5000 }) }),
  },
);
const rate = fc.double({ min: RATE_MIN, max: RATE_MAX, noNaN: true });
const history = fc.record({
  settings: fc.record({
    keys: fc.constant(KEYS),
    clients: fc.constant(CLIENTS),
    rates: fc.array(rate, { minLength: HOLDERS + CLIENTS + 1, maxLength: HOLDERS + CLIENTS + 1 }),
    limits: fc.record({ changesMax: fc.constantFrom(1, 2, 500), keysMax: fc.constantFrom(1, 500) }),
  }),
  events: fc.array(event, { minLength: 1, maxLength: 80, size: 'max' }),
});

/** Runs histories until one breaks the promise. Returns that one, and how many verifications needed no call. */
function check(numRuns: number, sabotage: WorldSabotage = null) {
  let fromMemory = 0;
  let fromMemoryOfClients = 0;
  const keepsItsPromise = fc.property(history, ({ settings, events }) => {
    const model = new Model(settings, sabotage);
    model.run(events);
    fromMemory += model.fromMemory;
    fromMemoryOfClients += model.fromMemoryOfClients;
    expect(model.violation()).toBeNull();
  });
  const result = fc.check(keepsItsPromise, { numRuns, endOnFailure: sabotage !== null });
  return { result, fromMemory, fromMemoryOfClients };
}

afterEach(() => {
  vi.restoreAllMocks();
});

/** Changes what leases are passed on. */
function passedOn(change: (renewal: Renewal) => Renewal): void {
  const { passOn } = LeaseHolder.prototype;
  vi.spyOn(LeaseHolder.prototype, 'passOn').mockImplementation(function (this: LeaseHolder<unknown>, ...parameters) {
    const passed = passOn.apply(this, parameters);
    return passed === null ? null : { ...passed, renewal: change(passed.renewal) };
  });
}

/** Rules of production that are taken out. (test/sabotage/list.ts has those that take a change of its text.) */
const CODE_SABOTAGES: Readonly<Record<string, () => void>> = {
  'no wait after a start': () => {
    vi.spyOn(LeaseGranter.prototype, 'assumeLeased').mockReturnValue();
  },
  'a flag that is cleared too early': () => {
    vi.spyOn(LeaseGranter.prototype, 'isQuiet').mockReturnValue(true);
  },
  'no margin': () => {
    const { renew } = LeaseGranter.prototype;
    vi.spyOn(LeaseGranter.prototype, 'renew').mockImplementation(function (
      this: LeaseGranter,
      ...[known, id, ms, now]
    ) {
      return renew.call(this, known, id, ms, now - (outlastMs(ms) - ms));
    });
  },
  'leases counted from the answer': () => {
    const { receive } = LeaseHolder.prototype;
    vi.spyOn(LeaseHolder.prototype, 'receive').mockImplementation(function (
      this: LeaseHolder<unknown>,
      ...[tenant, asking, renewal, got, now]
    ) {
      receive.call(this, tenant, { ...asking, at: now }, renewal, got, now);
    });
  },
  'reads that tell at once': () => {
    vi.spyOn(TenantLeases.prototype, 'beforeTelling').mockReturnValue(0);
  },
  'deletion without a wait': () => {
    const { beforeDestroyed } = TenantLeases.prototype;
    vi.spyOn(TenantLeases.prototype, 'beforeDestroyed').mockImplementation(function (this: TenantLeases, now) {
      beforeDestroyed.call(this, now);
      return 0;
    });
  },
  'a repeated deletion without a wait': () => {
    vi.spyOn(TenantLeases.prototype, 'beforeDestroyedAgain').mockReturnValue(0);
  },
  'creation during the wait of a deletion': () => {
    vi.spyOn(TenantLeases.prototype, 'beforeCreation').mockReturnValue(0);
  },
  'changes that holders are not told of': () => {
    const { renew } = LeaseGranter.prototype;
    vi.spyOn(LeaseGranter.prototype, 'renew').mockImplementation(function (
      this: LeaseGranter,
      ...[known, id, ms, now]
    ) {
      return { ...renew.call(this, known, id, ms, now), changed: [] };
    });
  },
  'a whole lease passed on': () => {
    passedOn((passed) => ({ ...passed, leaseMs: 1000 }));
  },
  'leases that are passed on without what was changed': () => {
    passedOn((passed) => ({ ...passed, changed: [] }));
  },
  'a list of changes that is older than what its holder knows': () => {
    passedOn((passed) => ({ ...passed, from: 0 }));
  },
  'a record passed on that the client had heard was changed': () => {
    const { receive } = LeaseHolder.prototype;
    vi.spyOn(LeaseHolder.prototype, 'receive').mockImplementation(function (
      this: LeaseHolder<unknown>,
      ...[tenant, asking, renewal, got, now]
    ) {
      const { seq } = asking.call.known ?? { seq: 0 };
      receive.call(this, tenant, asking, { ...renewal, seq: Math.max(renewal.seq, seq) }, got, now);
    });
  },
  'a list that is cut without telling': () => {
    const { renew } = LeaseGranter.prototype;
    vi.spyOn(LeaseGranter.prototype, 'renew').mockImplementation(function (
      this: LeaseGranter,
      ...[known, id, ms, now]
    ) {
      return { ...renew.call(this, known, id, ms, now), from: 0 };
    });
  },
};

describe('a change that has returned', () => {
  it('is seen by every verification that starts later, by any holder', () => {
    const { result, fromMemory, fromMemoryOfClients } = check(RUNS);
    expect(fc.defaultReportMessage(result)).toBeUndefined();
    expect(fromMemory).toBeGreaterThan(RUNS / 2);
    expect(fromMemoryOfClients).toBeGreaterThan(RUNS / 4);
  });

  it.each(WORLD_SABOTAGES)('would not be, with %s, and a history tells', (sabotage) => {
    expect(check(50_000, sabotage).result.failed).toBe(true);
  });

  it.each(Object.keys(CODE_SABOTAGES))('would not be, with %s, and a history tells', (name) => {
    CODE_SABOTAGES[name]?.();
    const { failed } = check(50_000, null).result;
    expect(failed).toBe(true);
  });
});
