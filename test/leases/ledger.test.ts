import { describe, expect, it } from 'vitest';
import { LeaseLedger, outlastMs } from '../../domain/leases/ledger.ts';

const L = 1000;

describe('a lease', () => {
  it('outlasts what its holder counts by 5 %, and by 50 ms at least; where there is none, nothing does', () => {
    expect([0, 1000, 2000, 10_000].map(outlastMs)).toEqual([0, 1050, 2100, 10_500]);
  });

  it('that may be out from before a start makes every change wait, if storage says that one may be', () => {
    expect(LeaseLedger.ofStart(true, L, 0).change(['any'], L, 0)).toBe(outlastMs(L));
    expect(LeaseLedger.ofStart(false, L, 0).change(['any'], L, 0)).toBe(0);
  });
});

describe('an answer to a mutation', () => {
  const underWay = () => {
    const ledger = new LeaseLedger(0);
    ledger.grant('done', L, 0);
    ledger.change(['done'], L, 0);
    return ledger;
  };

  it('waits for what others are changing, where it found a part of its work done', () => {
    expect(underWay().mutation(['idle'], ['idle', 'done'], L, 0)).toBe(outlastMs(L));
    expect(underWay().mutation(['idle'], ['idle'], L, 0)).toBe(0);
    expect(underWay().mutation(null, ['done'], L, 0)).toBe(outlastMs(L));
  });

  it('waits for nothing where it only added something', () => {
    expect(LeaseLedger.ofStart(true, L, 0).mutation([], [], L, 0)).toBe(0);
  });
});

describe('a ledger of many leases', () => {
  it('takes every key for leased while those in force are too many to remember', () => {
    const ledger = new LeaseLedger(0);
    for (let i = 0; i < 25_000; i++) ledger.grant(`key ${i}`, L, 0);
    expect(ledger.change(['key 0'], L, 0)).toBe(outlastMs(L));
    expect(ledger.change(['never leased'], L, 0)).toBe(outlastMs(L));
    expect(ledger.change(['key 0'], L, 2 * L)).toBe(0);
  });

  it('knows the end of each that is in force, and forgets those that are over', () => {
    const ledger = new LeaseLedger(0);
    const KEYS = 3000;
    for (let i = 0; i < KEYS; i++) ledger.grant(`first ${i}`, L, 0);
    // These come when the first ones are over, and bring the sweeps.
    const later = 2 * L;
    for (let i = 0; i < 3 * KEYS; i++) ledger.grant(`then ${i}`, L, later);
    const waits = (keyId: string) => ledger.change([keyId], L, later);
    for (let i = 0; i < KEYS; i += 97) expect(waits(`first ${i}`)).toBe(0);
    for (let i = 0; i < 3 * KEYS; i += 97) expect(waits(`then ${i}`)).toBe(outlastMs(L));
  });
});
