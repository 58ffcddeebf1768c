/**
 * A real Prometheus scrapes a real server, with the files of examples/prometheus. So many tenants and verifications
 * later it must have seen all of them. It must understand every query of the dashboard and every alert, and a scrape
 * must have been fast.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand, inParallel, type Progress, range } from '../campaign.ts';
import { Client } from '../client.ts';
import { pathOf } from '../gateways/programs.ts';
import { eventually, startServer, temporaryFolder } from '../server.ts';
import { checkRules, configure, EXAMPLE, Prometheus } from './prometheus.ts';

/** How long a scrape may take (s), the way to Prometheus included. */
const SCRAPE_SECONDS_MAX = 0.01;
const INSTALL = 'apt-get install prometheus';
const AT_ONCE = 8;

type Rules = {
  readonly groups: readonly { readonly rules: readonly { readonly name: string; readonly health: string }[] }[];
};
type Targets = { readonly activeTargets: readonly { readonly health: string; readonly lastError: string }[] };

export async function metrics(tenants: number, progress: Progress): Promise<object> {
  const [program, promtool] = [pathOf('prometheus'), pathOf('promtool')];
  if (program === null || promtool === null) {
    progress(`SKIPPED, since prometheus is not installed; get it with: ${INSTALL}`);
    return { prometheus: 'skipped' };
  }
  using folder = temporaryFolder();
  using data = temporaryFolder();
  await using server = await startServer(data.path);
  const client = new Client(server);
  const made = await client.send<{ secret: string }>('POST', '/management-keys', { name: 'p', role: 'monitor' });
  configure(folder.path, new URL(server.url).host, made.body.secret);
  checkRules(promtool, folder.path);
  progress('promtool finds no fault in configuration and rules');

  await using prometheus = await Prometheus.start(program, folder.path);
  await eventually('Prometheus has scraped', 20_000, async () => {
    const { activeTargets } = await prometheus.get<Targets>('targets');
    return activeTargets.length === 1 && activeTargets.every(({ health }) => health === 'up');
  });
  await inParallel(AT_ONCE, range(tenants), async (i) => {
    await client.createTenant(`tenant-${i}`);
    const { secret } = await client.createKey(`tenant-${i}`);
    demand((await client.verify(secret)).valid, 'a new key was refused');
    await client.verify(`${secret.slice(0, -1)}${secret.endsWith('0') ? '1' : '0'}`);
  });
  progress(`${tenants} tenants made, each with a key that was verified`);

  const expectSeen = (query: string, expected: number) =>
    eventually(`${query} is ${expected}`, 10_000, async () => (await prometheus.ask(query)) === expected);
  await expectSeen('keystead_tenants', tenants);
  await expectSeen('sum(keystead_verifications_total{keys="customers",code="VALID"})', tenants);
  await expectSeen('sum(keystead_verifications_total{keys="customers",decided="here",code="MALFORMED"})', tenants);
  await expectSeen('sum(keystead_requests_total{route="/v1/keys/verify"})', 2 * tenants);
  await expectSeen('sum(keystead_request_duration_seconds_count{route="/v1/keys/verify"})', 2 * tenants);
  await expectSeen('count(count by (tenant) (keystead_tenant_keys))', Math.min(tenants + 1, 20));

  const { groups } = await prometheus.get<Rules>('rules');
  await eventually('all rules were evaluated', 10_000, async () => {
    const { groups: now } = await prometheus.get<Rules>('rules');
    return now.flatMap(({ rules }) => rules).every(({ health }) => health === 'ok');
  });
  const queries = queriesOf(readFileSync(join(EXAMPLE, 'dashboard.json'), 'utf8'));
  for (const query of queries) await prometheus.ask(query);
  progress(`${groups.flatMap(({ rules }) => rules).length} alerts and ${queries.length} queries are understood`);

  // Quiet again: some scrapes of a server that does nothing else.
  const until = Date.now() + 6_000;
  await eventually('some more scrapes', 10_000, async () => Date.now() > until);
  const fastest = (await prometheus.ask('min_over_time(scrape_duration_seconds[5s])')) ?? Number.NaN;
  const usual = (await prometheus.ask('quantile_over_time(0.5, scrape_duration_seconds[5s])')) ?? Number.NaN;
  demand(fastest <= SCRAPE_SECONDS_MAX, `a scrape takes ${fastest} s`);
  const samples = await prometheus.ask('scrape_samples_scraped');
  return { tenants, samples, scrapeMs: { fastest: ms(fastest), usual: ms(usual) } };
}

const ms = (seconds: number) => Math.round(seconds * 10_000) / 10;

/** All queries of a dashboard, with values for its variables. */
function queriesOf(dashboard: string): string[] {
  return [...dashboard.matchAll(/"expr": ("(?:[^"\\]|\\.)*")/g)].map(([, text = '""']) =>
    String(JSON.parse(text)).replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*'),
  );
}
