import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CursorSigner, type ListDescription } from '../../src/crypto/cursor.ts';
import { base64Secret, ringOf } from './rings.ts';

const cursors = new CursorSigner(ringOf(`1:${base64Secret(1)}`));
const LIST: ListDescription = { list: 'keys', tenantId: 'acme', order: 'desc', filter: { owner: 'a', name: 'b' } };
const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('a cursor', () => {
  it('decodes to the position it was made for', async () => {
    const position = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, Number.MAX_SAFE_INTEGER));
    await fc.assert(
      fc.asyncProperty(position, async (at) => {
        expect(await cursors.read(await cursors.write(at, LIST), LIST)).toBe(at);
      }),
    );
  });

  it('has a fixed length and only characters that need no escaping in a query', async () => {
    for (const at of [0, 1, 2 ** 40]) expect(await cursors.write(at, LIST)).toMatch(/^[A-Za-z0-9_-]{36}$/);
  });

  it('is refused with any single character altered', async () => {
    const cursor = await cursors.write(123456, LIST);
    for (let at = 0; at < cursor.length; at++) {
      for (const other of `${BASE64URL}+/=. é`) {
        if (other === cursor[at]) continue;
        const altered = cursor.slice(0, at) + other + cursor.slice(at + 1);
        if ((await cursors.read(altered, LIST)) !== null) expect.fail(`character ${at} as ${other}`);
      }
    }
  });

  it('is refused when truncated, padded, doubled or made up', async () => {
    const cursor = await cursors.write(123456, LIST);
    const padded = [`${cursor}=`, `${cursor}A`, ` ${cursor}`, `${cursor}\n`];
    for (const text of ['', '0', cursor.slice(1), cursor.slice(0, -1), ...padded, cursor + cursor, 'A'.repeat(36)]) {
      expect(await cursors.read(text, LIST)).toBeNull();
    }
  });

  it.each<[string, ListDescription]>([
    ['list', { ...LIST, list: 'audit' }],
    ['tenant', { ...LIST, tenantId: 'globex' }],
    ['order', { ...LIST, order: 'asc' }],
    ['filter value', { ...LIST, filter: { owner: 'a', name: 'c' } }],
    ['filter name', { ...LIST, filter: { owner: 'a', prefix: 'b' } }],
    ['number of filters', { ...LIST, filter: { owner: 'a' } }],
    ['filter type', { ...LIST, filter: { owner: 'a', name: ['b'] } }],
    ['division of the same characters', { ...LIST, list: 'keysa', tenantId: 'cme' }],
  ])('is refused for another %s', async (_what, other) => {
    expect(await cursors.read(await cursors.write(5, LIST), other)).toBeNull();
    expect(await cursors.read(await cursors.write(5, other), LIST)).toBeNull();
  });

  it('does not depend on the order of the filters', async () => {
    const cursor = await cursors.write(5, LIST);
    expect(await cursors.read(cursor, { ...LIST, filter: { name: 'b', owner: 'a' } })).toBe(5);
  });

  it('still decodes after the keyring gets a new current entry, until its own entry is removed', async () => {
    const cursor = await cursors.write(5, LIST);
    const during = new CursorSigner(ringOf(`2:${base64Secret(2)},1:${base64Secret(1)}`));
    const after = new CursorSigner(ringOf(`2:${base64Secret(2)}`));
    expect(await during.read(cursor, LIST)).toBe(5);
    expect(await after.read(cursor, LIST)).toBeNull();
    expect(await after.read(await during.write(6, LIST), LIST)).toBe(6);
  });

  it('is refused by another deployment, even under the same entry id', async () => {
    const stranger = new CursorSigner(ringOf(`1:${base64Secret(9)}`));
    expect(await stranger.read(await cursors.write(5, LIST), LIST)).toBeNull();
  });
});
