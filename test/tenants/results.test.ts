/** The ring of recent results: the newest rows stay, whatever the clock does. */
import { runInDurableObject } from 'cloudflare:test';
import { expect, it } from 'vitest';
import { Results } from '../../durable-objects/tenant/results.ts';
import { createTenant } from '../support/api.ts';
import { tenantObject } from '../support/objects.ts';

it.each([
  ['in one millisecond', () => 5000],
  ['while the clock goes back', (n: number) => 5000 - n],
])('keeps the latest 256 results that come %s, also over restarts', async (name, timeOf) => {
  const id = `ring-${name.length}`;
  await createTenant(id);
  const kept = await runInDurableObject(await tenantObject(id), (_, { storage }) => {
    let results = new Results(storage.sql);
    for (let n = 0; n < 400; n++) {
      results.keep(`op_${n}`, `"${n}"`, timeOf(n));
      if (n % 7 === 0) results = new Results(storage.sql);
    }
    return Array.from({ length: 400 }, (_, n) => results.find(`op_${n}`));
  });
  expect(kept.slice(0, 144)).toEqual(Array(144).fill(null));
  expect(kept.slice(144)).toEqual(Array.from({ length: 256 }, (_, i) => `"${144 + i}"`));
});
