/**
 * The floors: the cost of a Worker of the same shape that does no work of its own. Each takes the JSON body of a
 * verification and responds with as many bytes as a verification does.
 *
 *   /a   parses the body and responds
 *   /b   also calls a method of an object, with arguments of the shape that a verification has
 *   /c   also updates one row in the object
 *   /d   calls an object that slept (named by ?object=…), which reads one row of a table of keys
 *   /d/make   makes that table
 */
import { DurableObject } from 'cloudflare:workers';

type Env = { readonly OBJECTS: DurableObjectNamespace<Floor>; readonly SLEEPERS: DurableObjectNamespace<Sleeper> };

const ROW = 'key_0123456789ABCDEFG';
const DIGEST_BYTES = 20;
const ENVELOPE_BYTES = 95;
const SLEEPERS_TABLE = `
  CREATE TABLE keys (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    owner TEXT,
    scopes TEXT,
    metadata TEXT,
    enabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER,
    last_used_at INTEGER,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    envelope BLOB,
    status TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX keys_by_id ON keys (id);
`;

export class Floor extends DurableObject<Env> {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec('CREATE TABLE IF NOT EXISTS rows (id TEXT PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID');
    this.#sql.exec('INSERT OR IGNORE INTO rows (id, used) VALUES (?, 0)', ROW);
  }

  answer(id: string, _digest: Uint8Array, _scopes: readonly string[]): { readonly code: string; readonly id: string } {
    return { code: 'VALID', id };
  }

  update(id: string, digest: Uint8Array, scopes: readonly string[]): { readonly code: string; readonly id: string } {
    this.#sql.exec('UPDATE rows SET used = used + 1 WHERE id = ?', ROW);
    return this.answer(id, digest, scopes);
  }
}

/** An object that does nothing when it starts. */
export class Sleeper extends DurableObject<Env> {
  make(): void {
    this.ctx.storage.sql.exec(SLEEPERS_TABLE);
    this.ctx.storage.sql.exec(
      `INSERT INTO keys VALUES (1, ?, 'Key 500', 'owner-42', '["invoices:read","invoices:write"]', NULL,
        1, 1, 1, NULL, NULL, NULL, 1, ?, ?, 'active')`,
      ROW,
      new Uint8Array(DIGEST_BYTES).buffer,
      new Uint8Array(ENVELOPE_BYTES).buffer,
    );
  }

  read(id: string, _digest: Uint8Array, _scopes: readonly string[]): { readonly code: string; readonly id: string } {
    const { status } = this.ctx.storage.sql.exec('SELECT * FROM keys WHERE id = ?', id).one();
    return { code: status === 'active' ? 'VALID' : 'NOT_FOUND', id };
  }
}

export default {
  async fetch(request, env) {
    const body: unknown = await request.json();
    if (typeof body !== 'object' || body === null) return new Response(null, { status: 400 });
    const { code, id } = await decide(request.url, env);
    return new Response(JSON.stringify(verification(code, id)), { headers: { 'Content-Type': 'application/json' } });
  },
} satisfies ExportedHandler<Env>;

async function decide(url: string, env: Env): Promise<{ readonly code: string; readonly id: string }> {
  if (url.endsWith('/a')) return { code: 'VALID', id: ROW };
  if (url.includes('/d')) {
    const { pathname, searchParams } = new URL(url);
    const sleeper = env.SLEEPERS.get(env.SLEEPERS.idFromName(searchParams.get('object') ?? ''));
    if (pathname === '/d/make') await sleeper.make();
    return sleeper.read(ROW, new Uint8Array(DIGEST_BYTES), []);
  }
  const floor = env.OBJECTS.get(env.OBJECTS.idFromName('floor'));
  const digest = new Uint8Array(DIGEST_BYTES);
  return url.endsWith('/b') ? floor.answer(ROW, digest, []) : floor.update(ROW, digest, []);
}

/** The fields of a verification result of the benchmark's keys. */
function verification(code: string, keyId: string): object {
  return {
    valid: true,
    code,
    keyId,
    tenantId: 'bench-strict',
    name: 'Key 500',
    owner: 'owner-42',
    scopes: ['invoices:read', 'invoices:write'],
    metadata: {},
    expiresAt: null,
    warnings: [],
  };
}
