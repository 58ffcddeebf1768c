/** Long texts that are stored in several rows are read back unchanged, wherever they are cut. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { textParts } from '../../durable-objects/sql/text-parts.ts';
import { api, createTenant } from '../support/api.ts';

const KEY = '\u{1f511}';

it('joining the parts gives the text again, and no part ends within a character', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 249_990, max: 250_010 }), (before, keys) => {
      const text = `${'x'.repeat(before)}${KEY.repeat(keys)}`;
      const parts = textParts(text);
      expect(parts.join('')).toBe(text);
      // Storage would replace one half of a surrogate pair.
      expect(parts.every((part) => part.isWellFormed())).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it('a response full of emoji is replayed exactly', async () => {
  await createTenant('emoji');
  // One more character in each name, so that the cuts fall on either half of a pair.
  const keys = Array.from({ length: 500 }, (_, i) => ({
    name: 'x'.repeat(1 + (i % 2)),
    metadata: { note: KEY.repeat(500) },
  }));
  const create = () => api('POST', '/tenants/emoji/keys/bulk', { keys }, { 'Idempotency-Key': 'once' });
  const first = await create();
  expect(first.status).toBe(201);
  const again = await create();
  expect(again.headers.get('Idempotency-Replayed')).toBe('true');
  expect(again.body).toEqual(first.body);
});
