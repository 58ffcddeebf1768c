/** Credits of keys and owners, with all that is done to them in a round and the ledger of it. */
import { demand, oneOf, range } from '../campaign.ts';
import type { ApiResponse, Client } from '../client.ts';
import { Ledger } from './ledger.ts';

export type Credits = { readonly remaining: number };
type WithCredits = { readonly credits: Credits | null };

/** What a verification tells of credits. */
type Answer = { readonly valid: boolean; readonly code: string; readonly credits?: Credits };

/** Costs of verifications, from 0. */
const COST_MAX = 9;
/** The amounts of changes, from 1. */
const AMOUNT_MAX = 30;
const INCREMENTS_SHARE = 0.6;
const DECREMENTS_SHARE = 0.3;
/** Others change the refill. It is not due before any campaign is over, so the balance stays. */
const FAR_DAYS = 10;

export const now = () => performance.timeOrigin + performance.now();

/** Sends a change until it is answered. */
type Change = (client: Client) => Promise<void>;

/** Who has credits. `path` reads it. */
export class Account {
  path: string;
  /** Of the keys that draw on these credits. */
  secrets: readonly string[];
  ledger = new Ledger(0);
  /** A change that was sent and not answered. It is sent again with the same Idempotency-Key. */
  unfinished: Change | null = null;
  spent = 0;
  refusals = 0;
  unanswered = 0;

  constructor(path: string, secrets: readonly string[]) {
    this.path = path;
    this.secrets = secrets;
  }

  async remaining(client: Client): Promise<number> {
    const { credits } = await client.get<WithCredits>(this.path);
    if (credits === null) throw new Error(`${this.path} has lost its credits`);
    return credits.remaining;
  }

  /** Sets the balance while nothing else is under way, and starts a new ledger. */
  async set(client: Client, amount: number): Promise<void> {
    const { status, body } = await client.send<WithCredits>('POST', `${this.path}/credits`, {
      operation: 'set',
      amount,
    });
    demand(status === 200 && body.credits?.remaining === amount, `setting credits got ${status}`);
    this.ledger = new Ledger(amount);
  }

  /** Verifies one of the keys. Returns false when no answer came. */
  async verify(client: Client): Promise<boolean> {
    const cost = Math.floor(Math.random() * (COST_MAX + 1));
    const sentAt = now();
    const response = await client
      .send<Answer>('POST', '/keys/verify', { key: oneOf(this.secrets), cost })
      .catch(() => null);
    const receivedAt = now();
    if (response === null || response.status >= 500) {
      this.unanswered += 1;
      this.ledger.add({ sentAt, receivedAt: null, least: -cost, most: -cost });
      return false;
    }
    const { code, credits } = response.body;
    demand(credits === undefined || credits.remaining >= 0, `${this.path}: ${credits?.remaining} credits remain`);
    if (code === 'VALID') {
      demand(credits !== undefined, `${this.path}: a verification says nothing of credits`);
      this.spent += cost;
      this.ledger.add({ sentAt, receivedAt, least: -cost, most: -cost });
    } else if (code === 'INSUFFICIENT_CREDITS') {
      demand(cost > 0, `${this.path}: a question was refused`);
      this.refusals += 1;
      this.ledger.refused({ sentAt, receivedAt, cost });
    } else demand(code === 'RATE_LIMITED', `${this.path}: a verification got ${response.status} ${code}`);
    return true;
  }

  /** Changes the credits in some way. Returns false when no answer came; `finish` then sends the change again. */
  async change(client: Client): Promise<boolean> {
    this.unfinished = this.#someChange();
    return this.finish(client);
  }

  async finish(client: Client): Promise<boolean> {
    if (this.unfinished === null) return true;
    try {
      await this.unfinished(client);
    } catch (error) {
      if (error instanceof NoAnswer) return false;
      throw error;
    }
    this.unfinished = null;
    return true;
  }

  /** Any change. The times of the ledger are when it was sent first, and when it was answered at last. */
  #someChange(): Change {
    const headers = { 'Idempotency-Key': crypto.randomUUID() };
    const choice = Math.random();
    const amount = 1 + Math.floor(Math.random() * AMOUNT_MAX);
    if (choice >= INCREMENTS_SHARE + DECREMENTS_SHARE) {
      const day = new Date(Date.now() + FAR_DAYS * 86_400_000).getUTCDate();
      const body = { credits: { refill: { amount, interval: 'month', day } } };
      return async (client) => {
        await answered(client.send<WithCredits>('PATCH', this.path, body, undefined, headers));
      };
    }
    const operation = choice < INCREMENTS_SHARE ? 'increment' : 'decrement';
    const { ledger } = this;
    const sentAt = now();
    return async (client) => {
      const path = `${this.path}/credits`;
      const { credits } = await answered(
        client.send<WithCredits>('POST', path, { operation, amount }, undefined, headers),
      );
      const change = operation === 'increment' ? amount : -amount;
      // A decrement takes what is there. If it has left nothing, it may have taken less.
      const most = operation === 'decrement' && credits?.remaining === 0 ? 0 : change;
      ledger.add({ sentAt, receivedAt: now(), least: change, most });
    };
  }
}

class NoAnswer extends Error {}

async function answered(sending: Promise<ApiResponse<WithCredits>>): Promise<WithCredits> {
  const response = await sending.catch(() => null);
  if (response === null || response.status >= 500) throw new NoAnswer();
  demand(response.status === 200, `a change of credits got ${response.status} ${JSON.stringify(response.body)}`);
  return response.body;
}

/** What the keys with a rate limit beside their credits may do. What it refuses must cost no credits. */
const BRAKE = { name: 'brake', limit: 40, windowSeconds: 1 };

/** Makes a key with credits that is rotated, an owner with three keys, and a key with a rate limit, in two tenants. */
export async function createAccounts(client: Client): Promise<Accounts> {
  await client.createTenant('leased', { leaseSeconds: 1 });
  await client.createTenant('strict', { leaseSeconds: 0 });
  const credits = { remaining: 0 };
  const rotated = await client.createKey('leased', { credits });
  const braked = await client.createKey('strict', { credits, rateLimits: [BRAKE] });
  const { status } = await client.send('POST', '/tenants/leased/owners', { id: 'o', credits });
  demand(status === 201, `an owner got status ${status}`);
  const owned = await Promise.all(range(3).map(() => client.createKey('leased', { owner: 'o' })));
  return {
    rotated: new Account(`/tenants/leased/keys/${rotated.id}`, [rotated.secret]),
    others: [
      new Account(`/tenants/strict/keys/${braked.id}`, [braked.secret]),
      new Account(
        '/tenants/leased/owners/o',
        owned.map(({ secret }) => secret),
      ),
    ],
  };
}

export type Accounts = { readonly rotated: Account; readonly others: readonly Account[] };
