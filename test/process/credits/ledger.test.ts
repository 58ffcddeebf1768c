/** What can be said of a balance by the times of requests and answers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ledger } from './ledger.ts';

const START = 10;

/** A ledger with changes of known amounts: when each was sent and answered. */
function ledgerOf(...entries: readonly (readonly [sentAt: number, receivedAt: number | null, amount: number])[]) {
  const ledger = new Ledger(START);
  for (const [sentAt, receivedAt, amount] of entries) ledger.add({ sentAt, receivedAt, least: amount, most: amount });
  return ledger;
}

describe('a ledger', () => {
  it('knows the balance when all was answered', () => {
    const ledger = ledgerOf([0, 1, -4], [0, 1, 7]);
    expect(ledger.bounds).toEqual({ least: 13, most: 13 });
  });

  it('leaves open whether what was not answered was done', () => {
    expect(ledgerOf([0, null, -4]).bounds).toEqual({ least: 6, most: 10 });
    expect(ledgerOf([0, null, 4]).bounds).toEqual({ least: 10, most: 14 });
    expect(ledgerOf([0, null, -40]).bounds).toEqual({ least: 0, most: 10 });
  });

  it('finds a unit that was spent beyond what was there', () => {
    expect(ledgerOf([0, 1, -10]).overdrawnAt).toBeNull();
    expect(ledgerOf([0, 1, -10], [0, 2, -1]).overdrawnAt).toBe(2);
  });

  it('finds what was spent before more was added', () => {
    expect(ledgerOf([0, 1, -10], [0, 2, -1], [2, 3, 5]).overdrawnAt).toBeNull();
    expect(ledgerOf([0, 1, -10], [0, 2, -1], [2.5, 3, 5]).overdrawnAt).toBe(2);
  });

  it('finds a refusal that no order of events explains', () => {
    const ledger = ledgerOf([0, 1, -4], [5, null, -1]);
    const refused = { sentAt: 2, receivedAt: 3, cost: 6 };
    ledger.refused(refused);
    ledger.refused({ sentAt: 2, receivedAt: 3, cost: 7 });
    ledger.refused({ sentAt: 2, receivedAt: 5, cost: 6 });
    expect(ledger.wronglyRefused).toEqual([refused]);
  });

  it('finds nothing wrong with an account that decides one request after the other', () => {
    const request = fc.record({
      before: fc.nat(20),
      after: fc.nat(20),
      amount: fc.integer({ min: -8, max: 4 }),
      isAnswered: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(request, { maxLength: 60 }), (requests) => {
        const ledger = new Ledger(START);
        let balance = START;
        for (const [i, { before, after, amount, isAnswered }] of requests.entries()) {
          const [sentAt, receivedAt] = [5 * i - before, 5 * i + after];
          if (balance + amount < 0) ledger.refused({ sentAt, receivedAt, cost: -amount });
          else {
            balance += amount;
            ledger.add({ sentAt, receivedAt: isAnswered ? receivedAt : null, least: amount, most: amount });
          }
        }
        expect(ledger.overdrawnAt).toBeNull();
        expect(ledger.wronglyRefused).toEqual([]);
        expect(ledger.bounds.least).toBeLessThanOrEqual(balance);
        expect(ledger.bounds.most).toBeGreaterThanOrEqual(balance);
      }),
    );
  });

  it('finds each unit too many once nothing is under way', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: START + 1, maxLength: 40 }), (costs) => {
        const ledger = ledgerOf(...costs.map((cost, i) => [i, i + 0.5, -cost] as const));
        expect(ledger.overdrawnAt).not.toBeNull();
      }),
    );
  });
});
