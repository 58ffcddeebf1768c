/** Metrics of a self-hosted server, and that examples and documentation name the ones that there are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseMetrics, sumOf } from '../../metrics/prometheus-text.ts';
import { Client } from '../client.ts';
import { pageAt, rowsOf } from '../docs.ts';
import { eventually, startServer, temporaryFolder } from '../server.ts';
import { EXAMPLE } from './prometheus.ts';

test('a self-hosted server tells of its Worker and its objects together', async () => {
  using data = temporaryFolder();
  await using server = await startServer(data.path);
  const scrape = async () => {
    const response = await fetch(`${server.url}/metrics`, {
      headers: { Authorization: `Bearer ${server.adminToken}` },
    });
    expect(response.status).toBe(200);
    return parseMetrics(await response.text());
  };
  const client = new Client(server);
  await client.createTenant('acme', { leaseSeconds: 1 });
  const key = await client.createKey('acme', { expiresAt: new Date(Date.now() + 2500).toISOString() });
  for (let i = 0; i < 5; i++) await client.verify(key.secret);
  const other = await client.createKey('acme');
  await client.verify(other.secret);
  await client.revokeKey('acme', other.id);

  const metrics = await scrape();
  expect(sumOf(metrics, 'keystead_verifications_total', { decided: 'lease' })).toBeGreaterThanOrEqual(3);
  expect(sumOf(metrics, 'keystead_lease_wait_seconds_sum', { result: 'change' })).toBeGreaterThan(0.3);
  expect(sumOf(metrics, 'keystead_tenant_keys', { tenant: 'acme', status: 'revoked' })).toBe(1);
  expect(sumOf(metrics, 'keystead_tenants')).toBe(1);
  await eventually('the key has expired, and the alarm has written that', 15_000, async () => {
    const now = await scrape();
    const alarms = sumOf(now, 'keystead_alarm_lag_seconds_count', { object: 'tenant' });
    return alarms > 0 && sumOf(now, 'keystead_tenant_keys', { tenant: 'acme', status: 'expired' }) === 1;
  });
  await eventually('what was in memory is written', 15_000, async () => {
    return sumOf(await scrape(), 'keystead_flushes_total') > 0;
  });

  const names = [...metrics.keys()];
  const shown = rowsOf(pageAt('docs/operate.md'), 'Metric').map(([name]) => name);
  expect(shown.toSorted()).toEqual(names.map((name) => `\`${name}\``).toSorted());
  for (const file of ['alerts.yml', 'alerts-test.yml', 'dashboard.json']) {
    const used = readFileSync(join(EXAMPLE, file), 'utf8').match(/\bkeystead_\w+/g) ?? [];
    expect(used.length, file).toBeGreaterThan(3);
    for (const name of used) expect(names, file).toContain(name.replace(/_(?:bucket|sum|count)$/, ''));
  }
});

test('each alert is in the documentation', () => {
  const alerts = readFileSync(join(EXAMPLE, 'alerts.yml'), 'utf8').match(/(?<=alert: )\w+/g) ?? [];
  const shown = rowsOf(pageAt('docs/operate.md'), 'Alert').flatMap(([names = '']) => names.match(/\w+/g) ?? []);
  expect(shown.toSorted()).toEqual(alerts.toSorted());
});
