/** Cleanup: what the alarm does, that it continues until all is done, and what it reports. */
import { runInDurableObject } from 'cloudflare:test';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { CLEANUP_BATCH } from '../../durable-objects/tenant/cleanup.ts';
import { cleanupList } from '../../src/api/cleanup/schemas.ts';
import { api, createKey, createTenant, getKey, revokeKey, rotateKey, updateKey, verify, walk } from '../support/api.ts';
import { advance, at, pretendTime, START } from '../support/clock.ts';
import { evict, runAlarm, runDueAlarm, sqlIn, tenantObject } from '../support/objects.ts';

pretendTime();

const cleanups = async (tenantId: string) =>
  v.parse(cleanupList, (await api('GET', `/tenants/${tenantId}/cleanup`)).body);

describe('cleanup', () => {
  it('expires keys, ends grace, purges after retention, and reports each pass', async () => {
    await createTenant('passes', { settings: { retentionSeconds: 100 } });
    const expiring = await createKey('passes', { expiresAt: at(START + 10_000) });
    const rotated = await createKey('passes');
    await rotateKey('passes', rotated.id, { gracePeriodSeconds: 10 });
    expect((await cleanups('passes')).nextAlarmAt).toBe(at(START + 10_000));
    advance(10_000);
    expect(await runDueAlarm('passes')).toBe(true);
    const first = await cleanups('passes');
    expect(first.data).toMatchObject([
      { trigger: 'alarm', startedAt: at(START + 10_000), expired: 1, rotationsEnded: 1, purged: 0, remaining: 0 },
    ]);
    expect(first.nextAlarmAt).toBe(at(START + 110_000));
    advance(100_000);
    expect(await runDueAlarm('passes')).toBe(true);
    const second = await cleanups('passes');
    expect(second.data).toMatchObject([{ purged: 2, remaining: 0 }, { expired: 1 }]);
    expect(second.nextAlarmAt).toBeNull();
    for (const key of [expiring, rotated])
      expect((await api('GET', `/tenants/passes/keys/${key.id}`)).status).toBe(404);
    expect((await verify(expiring.secret)).code).toBe('NOT_FOUND');
    expect((await walk(`/tenants/passes/audit?keyId=${rotated.id}`)).length).toBe(2);
  });

  it('works in bounded passes and continues at once while rows are due', async () => {
    await createTenant('batches');
    await createKey('batches', { expiresAt: at(START + 1000) });
    const columns = (await sqlIn('batches', "SELECT name FROM pragma_table_info('keys')")).map((row) =>
      String(row.name),
    );
    const values = columns.map((name) =>
      name === 'seq' ? 'seq + value' : name === 'id' ? "printf('key_%017d', value)" : name,
    );
    await sqlIn(
      'batches',
      `WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?)
       INSERT INTO keys (${columns}) SELECT ${values} FROM keys, n`,
      25 * CLEANUP_BATCH,
    );
    advance(1000);
    let passes = 0;
    while (await runDueAlarm('batches')) {
      passes += 1;
      // The object may be evicted between passes, because the alarm is in storage.
      await evict('batches');
    }
    // An alarm runs several passes, with other requests in between, and leaves the rest to the next alarm.
    expect(passes).toBe(2);
    const { data } = await cleanups('batches');
    expect(data.map(({ expired, remaining }) => [expired, remaining])).toEqual([[25 * CLEANUP_BATCH + 1, 0]]);
  });

  it('is not needed for correct results, and harmless when it runs twice', async () => {
    await createTenant('twice', { settings: { retentionSeconds: 1_000_000 } });
    const key = await createKey('twice', { expiresAt: at(START + 1000) });
    advance(1000);
    expect((await getKey('twice', key.id)).status).toBe('expired');
    await runAlarm('twice');
    await runAlarm('twice');
    expect((await getKey('twice', key.id)).status).toBe('expired');
    expect((await cleanups('twice')).data.length).toBe(1);
  });

  it('follows an expiry that was moved forward, and one that was postponed', async () => {
    await createTenant('moved');
    const key = await createKey('moved', { expiresAt: at(START + 50_000) });
    await updateKey('moved', key.id, { expiresAt: at(START + 20_000) });
    expect((await cleanups('moved')).nextAlarmAt).toBe(at(START + 20_000));
    await updateKey('moved', key.id, { expiresAt: at(START + 90_000) });
    advance(20_000);
    await runAlarm('moved');
    expect((await getKey('moved', key.id)).status).toBe('active');
    expect((await cleanups('moved')).nextAlarmAt).toBe(at(START + 90_000));
  });

  it('purges by the retention that is in force now', async () => {
    await createTenant('retention', { settings: { retentionSeconds: 1000 } });
    const key = await createKey('retention');
    await revokeKey('retention', key.id);
    await api('PATCH', '/tenants/retention', { settings: { retentionSeconds: 10 } });
    expect((await cleanups('retention')).nextAlarmAt).toBe(at(START + 10_000));
    advance(10_000);
    await runDueAlarm('retention');
    expect((await api('GET', `/tenants/retention/keys/${key.id}`)).status).toBe(404);
  });

  it('can be started by hand, with its report and an audit entry', async () => {
    await createTenant('manual');
    await createKey('manual', { expiresAt: at(START + 1000) });
    advance(1000);
    const { status, body } = await api('POST', '/tenants/manual/cleanup');
    expect(status).toBe(200);
    expect(body).toMatchObject({ trigger: 'manual', expired: 1, idempotencyPurged: 0, remaining: 0 });
    expect((await cleanups('manual')).data).toEqual([body]);
    const [entry] = await walk('/tenants/manual/audit?action=cleanup.run');
    expect(entry?.changes).toMatchObject({ expired: 1 });
  });

  it('sets its alarm again when a pass throws, and finishes when the cause is gone', async () => {
    await createTenant('broken');
    const key = await createKey('broken', { expiresAt: at(START + 1000) });
    advance(1000);
    await sqlIn('broken', "CREATE TRIGGER broken BEFORE UPDATE ON keys BEGIN SELECT RAISE(ABORT, 'no'); END");
    await runDueAlarm('broken');
    const alarmAt = await runInDurableObject(await tenantObject('broken'), (_, state) => state.storage.getAlarm());
    expect(alarmAt).toBeGreaterThan(Date.now());
    expect((await verify(key.secret)).code).toBe('EXPIRED');
    await sqlIn('broken', 'DROP TRIGGER broken');
    advance(30_000);
    await runDueAlarm('broken');
    expect((await cleanups('broken')).data).toMatchObject([{ expired: 1 }]);
  });
});
