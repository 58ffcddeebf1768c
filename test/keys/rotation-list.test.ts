/** The list of rotations by state: complete, and in bounded steps when few of many are in grace. */
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { api, createKey, createTenant, rotateKey, walk } from '../support/api.ts';
import { advance, pretendTime } from '../support/clock.ts';
import { runDueAlarm, sqlIn } from '../support/objects.ts';

pretendTime();

const predecessors = async (path: string) => (await walk(path)).map((rotation) => rotation.predecessor);
const pageOf = v.object({ data: v.array(v.unknown()), page: v.object({ hasMore: v.boolean() }) });

it('rotations in grace are found among many that are over', async () => {
  await createTenant('grace-few', { settings: { retentionSeconds: 1_000_000 } });
  const first = await createKey('grace-few');
  await rotateKey('grace-few', first.id, { gracePeriodSeconds: 600 });
  // Rotations whose predecessors were purged are over.
  await sqlIn(
    'grace-few',
    `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 2500)
     INSERT INTO rotations (predecessor, successor, rotated_at, grace_ends_at, actor_type, actor_id)
     SELECT 'p' || value, 's' || value, 0, 0, 'admin', 'admin' FROM n`,
  );
  const owned = await createKey('grace-few', { owner: 'o' });
  await rotateKey('grace-few', owned.id, { gracePeriodSeconds: 600 });
  const short = await createKey('grace-few');
  await rotateKey('grace-few', short.id, { gracePeriodSeconds: 5 });
  const path = '/tenants/grace-few/rotations';
  for (const limit of [1, 2, 3, 100]) {
    const found = await predecessors(`${path}?state=grace&limit=${limit}`);
    expect(found).toEqual([short.id, owned.id, first.id]);
  }
  // A step does not read all of them.
  const page = v.parse(pageOf, (await api('GET', `${path}?state=grace`)).body);
  expect(page).toMatchObject({ page: { hasMore: true } });
  expect(page.data).toHaveLength(2);
  // First filtered by time, before an alarm has written the change. Then by owner.
  advance(5000);
  expect(await predecessors(`${path}?state=grace`)).toEqual([owned.id, first.id]);
  await api('POST', '/tenants/grace-few/keys/revoke', { owner: 'o' });
  expect(await predecessors(`${path}?state=grace`)).toEqual([first.id]);
  expect((await walk(`${path}?state=completed&limit=100`)).length).toBe(2502);
  await runDueAlarm('grace-few');
  expect(await predecessors(`${path}?state=grace`)).toEqual([first.id]);
});
