/**
 * Expiry and the end of grace to the millisecond, over HTTP. Keys are verified in a tight loop around the stored time
 * of their end. Server and campaign share the machine's clock. So a request sent at or after that time must not find
 * the key valid, and one whose response came before that time must.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { demand, inParallel, oneOf, type Progress, range } from '../campaign.ts';
import { Client, type KeyWithSecret, type RotationResult, type Verification } from '../client.ts';
import { startServer, temporaryFolder } from '../server.ts';

const TENANT = 'ending';
/** Keys that live at the same time and mostly wait. */
const AT_ONCE = 24;
const LIFE_MIN_MS = 300;
const LIFE_MAX_MS = 2_000;
const ATTEMPTS = 20;
/** The loop runs from this long before the end to this long after it (ms). */
const BEFORE_MS = 40;
const AFTER_MS = 15;

type Ending = { readonly secret: string; readonly endsAt: number; readonly code: 'EXPIRED' | 'ROTATED' };

/** Ways to make a key that ends soon. Null when a slow machine sent the request too late. */
const KINDS: readonly ((client: Client) => Promise<Ending | null>)[] = [
  async (client) => {
    const key = await createEnding(client);
    return key && { secret: key.secret, endsAt: Date.parse(key.expiresAt ?? ''), code: 'EXPIRED' };
  },
  async (client) => {
    const { id, secret } = await client.createKey(TENANT);
    const { rotated } = await client.rotateKey(TENANT, id, { gracePeriodSeconds: 1 });
    return { secret, endsAt: Date.parse(rotated.rotation.graceEndsAt ?? ''), code: 'ROTATED' };
  },
  // A grace period that would outlast the key ends with the key.
  async (client) => {
    const key = await createEnding(client);
    const path = `/tenants/${TENANT}/keys/${key?.id}/rotate`;
    const rotation = key && (await client.send<RotationResult>('POST', path, { gracePeriodSeconds: 60 }));
    if (key === null || rotation?.status !== 201) return null;
    const { expiresAt } = key;
    const { graceEndsAt } = rotation.body.rotated.rotation;
    demand(graceEndsAt === expiresAt, `grace ends at ${graceEndsAt}, not ${expiresAt}`);
    return { secret: key.secret, endsAt: Date.parse(expiresAt ?? ''), code: 'ROTATED' };
  },
];

async function createEnding(client: Client): Promise<KeyWithSecret | null> {
  const expiresAt = new Date(Date.now() + LIFE_MIN_MS + Math.random() * (LIFE_MAX_MS - LIFE_MIN_MS)).toISOString();
  const body = { name: 'ending', expiresAt };
  const response = await client.send<KeyWithSecret>('POST', `/tenants/${TENANT}/keys`, body);
  return response.status === 201 ? response.body : null;
}

async function keyThatEnds(client: Client): Promise<Ending> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ending = await oneOf(KINDS)(client);
    if (ending !== null) return ending;
  }
  throw new Error(`${ATTEMPTS} keys in a row could not be made to end in ${LIFE_MAX_MS} ms`);
}

export async function grace(n: number, progress: Progress): Promise<object> {
  using folder = temporaryFolder();
  await using server = await startServer(folder.path);
  const client = new Client(server);
  await client.createTenant(TENANT);
  const counts = { verifications: 0, afterTheEnd: 0, undecided: 0 };
  /** How close verifications came to the end, before and after it (ms). */
  const closest = { lastValid: Number.POSITIVE_INFINITY, firstEnded: Number.POSITIVE_INFINITY };
  await inParallel(AT_ONCE, range(n), async (i) => {
    const ending = await keyThatEnds(client);
    await sleep(Math.max(0, ending.endsAt - BEFORE_MS - Date.now()));
    while (Date.now() < ending.endsAt + AFTER_MS) {
      const sentAt = Date.now();
      const { code } = await client.verify(ending.secret);
      const answeredAt = Date.now();
      check(ending, { sentAt, answeredAt, code });
      counts.verifications += 1;
      if (sentAt >= ending.endsAt) counts.afterTheEnd += 1;
      else if (answeredAt >= ending.endsAt) counts.undecided += 1;
      if (code === 'VALID') closest.lastValid = Math.min(closest.lastValid, Math.max(0, ending.endsAt - answeredAt));
      else closest.firstEnded = Math.min(closest.firstEnded, Math.max(0, sentAt - ending.endsAt));
    }
    if ((i + 1) % 250 === 0) progress(`${i + 1} keys have ended, ${counts.verifications} verifications`);
  });
  return { keys: n, ...counts, closestMs: closest };
}

function check(
  { endsAt, code: wanted }: Ending,
  verified: Pick<Verification, 'code'> & Record<'sentAt' | 'answeredAt', number>,
) {
  const { sentAt, answeredAt, code } = verified;
  demand(code === 'VALID' || code === wanted, `a key that ends as ${wanted} verifies as ${code}`);
  demand(code !== 'VALID' || sentAt < endsAt, `VALID, sent ${sentAt - endsAt} ms after the end`);
  demand(code === 'VALID' || answeredAt >= endsAt, `${code}, answered ${endsAt - answeredAt} ms before the end`);
}
