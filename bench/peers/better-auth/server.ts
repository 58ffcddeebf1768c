/**
 * better-auth's API key plugin behind plain node:http, in one process. `POST /verify` with `{key}` responds with the
 * result of `auth.api.verifyApiKey`, which is how a backend would use it. Storage is one SQLite file through
 * node:sqlite with WAL and synchronous=FULL, so that acknowledged writes survive a power cut, as with Keystead.
 *
 *   node server.ts <folder> <rate limit: on|off> <keys>
 *
 * Writes `{"port", "keys"}` to descriptor 3. The plugin limits each key to 10 requests a day by default. Here that
 * number is raised, because the load would be refused otherwise; the work of a verification stays the same.
 */
import { writeSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';

const MAX_REQUESTS = 1_000_000_000;
const CONTROL_DESCRIPTOR = 3;

const [folder = '', rateLimit = 'on', keyCount = '0'] = process.argv.slice(2);
const database = new DatabaseSync(join(folder, `better-auth-${rateLimit}.sqlite`));
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');

const options = {
  database,
  secret: 'a secret of the benchmark, no other use',
  baseURL: 'http://127.0.0.1',
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [apiKey({ rateLimit: { enabled: rateLimit === 'on', maxRequests: MAX_REQUESTS } })],
};
const { runMigrations } = await getMigrations(options);
await runMigrations();
const auth = betterAuth(options);
const { internalAdapter } = await auth.$context;
const user = await internalAdapter.createUser({ name: 'Bench', email: 'bench@example.com', emailVerified: true });
const keys: string[] = [];
for (let i = 0; i < Number(keyCount); i++) {
  const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: `Key ${i}` } });
  keys.push(key);
}

const server = createServer(async (request, response) => {
  try {
    const { key } = JSON.parse(await text(request));
    const body = Buffer.from(JSON.stringify(await auth.api.verifyApiKey({ body: { key } })));
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.byteLength }).end(body);
  } catch {
    response.writeHead(500, { 'Content-Length': 0 }).end();
  }
});
server.listen({ host: '127.0.0.1', port: 0 }, () => {
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('not listening on a port');
  writeSync(CONTROL_DESCRIPTOR, `${JSON.stringify({ port: address.port, keys })}\n`);
});

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
