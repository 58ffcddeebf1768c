/** What an isolate remembers of foreign key strings. */
import { describe, expect, it } from 'vitest';
import { FOREIGN_KEY_BYTES_MAX } from '../../domain/key-string/key-string.ts';
import { MemoryBudget } from '../../domain/memory/budget.ts';
import { ForeignKeyDigester } from '../../src/crypto/foreign-key-digest.ts';
import { ForeignKeys } from '../../src/verify/foreign-keys.ts';
import { base64Secret, ringOf } from '../crypto/rings.ts';

const PLACE = { locator: new Uint8Array(16), objectName: 'object' };
const ID = `key_${'1'.repeat(17)}`;

function cache(bytesMax = 1_000_000) {
  const budget = new MemoryBudget(bytesMax);
  const digester = new ForeignKeyDigester(ringOf(`2:${base64Secret(2)},1:${base64Secret(1)}`));
  return { budget, keys: new ForeignKeys(digester, budget) };
}

describe('a foreign key string', () => {
  it('is remembered when its key was found, in its tenant only', async () => {
    const { keys } = cache();
    for (const text of ['sk_live_1', 'ключ 🔑', 'x'.repeat(FOREIGN_KEY_BYTES_MAX)]) {
      const key = await keys.read('one', text, PLACE);
      expect(keys.find('one', text)).toBeNull();
      key?.foundAs(ID);
      expect(keys.find('one', text)).toBe(key);
      expect(key).toMatchObject({ id: ID, keyId: ID, objectName: 'object', system: false });
      for (const [tenant, other] of [
        ['two', text],
        ['one', `${text.slice(0, -1)}y`],
        ['one', text.slice(1)],
      ] as const) {
        expect(keys.find(tenant, other)).toBeNull();
      }
    }
  });

  it('has a digest for each entry of the keyring, and other ones in another tenant', async () => {
    const { keys } = cache();
    const [one, again, two] = [
      await keys.read('one', 'text', PLACE),
      await keys.read('one', 'text', PLACE),
      await keys.read('two', 'text', PLACE),
    ];
    expect(one?.digests.length).toBe(2);
    expect(one?.digests).toEqual(again?.digests);
    const all = [...(one?.digests ?? []), ...(two?.digests ?? [])].map((digest) => digest.join());
    expect(new Set(all).size).toBe(4);
  });

  it('that belongs to no key takes no memory, however many are asked for', async () => {
    const { keys, budget } = cache();
    for (let i = 0; i < 100; i++) await keys.read('one', `unknown ${i}`, PLACE);
    expect(budget.bytes).toBe(0);
  });

  it('tells what others have found meanwhile', async () => {
    const { keys } = cache();
    const [first, second] = [await keys.read('one', 'text', PLACE), await keys.read('one', 'text', PLACE)];
    expect(second?.keyId).toBeNull();
    expect(second?.id).toBe(first?.id);
    first?.foundAs(ID);
    expect(second?.id).toBe(ID);
  });

  it('is no broken text, none that is empty or too long, and none of our own form', async () => {
    const { keys } = cache();
    for (const text of ['', '\ud800', 'x'.repeat(513), '🔑'.repeat(129), `ks_${'0'.repeat(92)}`]) {
      expect(await keys.read('one', text, PLACE)).toBeNull();
    }
  });
});
