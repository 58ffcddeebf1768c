/** Minting for the routes that make keys: key strings for an object to take, and the key strings of the answer. */
import type { MintedKey } from '../../../domain/keys/record.ts';
import type { Failure, Mutated, PrefixMismatch } from '../../../domain/outcome.ts';
import { DEFAULT_SETTINGS } from '../../../domain/tenants/record.ts';
import type { Call } from '../request-context.ts';
import { nextTurn } from '../../http/turns.ts';
import type { CommandTemplate } from '../../object-client.ts';
import { type Mint, mintKey } from '../../crypto/minting.ts';

/** Some milliseconds of signing and sealing. */
const MINTS_PER_TURN = 50;

export type Minted<T> = {
  /** What the object answered, the prefixes being right. */
  readonly result: Mutated<T, Failure>;
  /** The key strings, those of the first answer when it is given again. */
  readonly secrets: readonly string[];
};

/** A guess with its tenant's id. */
const GUESS_BYTES = 200;

/**
 * Mints a key for each wanted prefix and has the object take them. The prefix is signed into the key string, but only the object knows which one a
 * tenant or a predecessor has; so for `undefined` the one that was right last time is tried, and the object says when it is not.
 */
export async function mintFor<T>(
  call: Call,
  tenantId: string,
  prefixes: readonly (string | undefined)[],
  take: (minted: readonly MintedKey[], command: CommandTemplate) => Promise<Mutated<T, Failure | PrefixMismatch>>,
): Promise<Minted<T>> {
  const guess = call.runtime.prefixGuesses.getOrMake(tenantId, GUESS_BYTES, () => ({
    prefix: DEFAULT_SETTINGS.keyPrefix,
  }));
  const { locator } = await call.objects.placeOf(tenantId);
  for (;;) {
    const mints: Mint[] = [];
    for (const prefix of prefixes) {
      if (mints.length % MINTS_PER_TURN === MINTS_PER_TURN - 1) await nextTurn();
      mints.push(await mintKey(call.runtime, tenantId, locator, prefix ?? guess.prefix, Date.now()));
    }
    const secrets = mints.map(({ secret }) => secret);
    const command = await call.command(tenantId, secrets);
    const isLong = mints.length >= MINTS_PER_TURN;
    if (isLong) await nextTurn();
    const result = await take(
      mints.map(({ minted }) => minted),
      command,
    );
    if (isLong) await nextTurn();
    if (result.ok) {
      const sealed = result.replay?.sealedSecrets;
      return { result, secrets: sealed ? await call.keptSecrets(tenantId, sealed) : secrets };
    }
    const { failure } = result;
    if (failure.code !== 'prefix_mismatch') return { result: { ...result, failure }, secrets: [] };
    guess.prefix = failure.prefix;
  }
}
