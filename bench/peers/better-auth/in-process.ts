/**
 * better-auth's API key plugin, called in this process, with its data in memory and without its rate limit, which is
 * the least that it can cost: `node in-process.ts <keys> <storage>`. The storage is its memory adapter (`database`), or
 * a map that serves as secondary storage (`secondary-storage`).
 */
import { apiKey } from '@better-auth/api-key';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { serveTurns } from '../../client/subject.ts';

const [count = '0', storage = 'database'] = process.argv.slice(2);
const kept = new Map<string, string>();
const auth = betterAuth({
  database: memoryAdapter({ user: [], session: [], account: [], verification: [], apikey: [] }),
  secret: 'a secret of the benchmark, no other use',
  baseURL: 'http://127.0.0.1',
  telemetry: { enabled: false },
  logger: { disabled: true },
  secondaryStorage: {
    get: (key) => kept.get(key) ?? null,
    set: (key, value) => void kept.set(key, value),
    delete: (key) => void kept.delete(key),
  },
  plugins: [
    apiKey({ rateLimit: { enabled: false }, storage: storage === 'database' ? 'database' : 'secondary-storage' }),
  ],
});
const { internalAdapter } = await auth.$context;
const user = await internalAdapter.createUser({ name: 'Bench', email: 'bench@example.com', emailVerified: true });
const keys: string[] = [];
for (let i = 0; i < Number(count); i++) {
  const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: `Key ${i}` } });
  keys.push(key);
}

serveTurns([{ name: storage, tokens: keys.length, verify }]);

async function verify(first: number, end: number): Promise<number> {
  let wrong = 0;
  for (let i = first; i < end; i++) {
    const { valid } = await auth.api.verifyApiKey({ body: { key: keys[i] ?? '' } });
    if (!valid) wrong += 1;
  }
  return wrong;
}
