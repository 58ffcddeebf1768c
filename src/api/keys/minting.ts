/** Minting for the operations that make keys: key strings for an object to take, and those of the response. */
import type { MintedKey } from '../../../domain/keys/record.ts';
import type { Failure, Mutated, PrefixMismatch } from '../../../domain/outcome.ts';
import { type Mint, mintKey } from '../../crypto/minting.ts';
import { nextTurn } from '../../http/turns.ts';
import type { CommandTemplate } from '../../object-client.ts';
import type { RequestContext } from '../request-context.ts';

/** Some milliseconds of signing and sealing. */
const MINTS_PER_TURN = 50;

export type Minted<T> = {
  /** What the object answered, the prefixes being right. */
  readonly result: Mutated<T, Failure>;
  /** The key strings; those of the first request when this one repeats it. */
  readonly secrets: readonly string[];
};

/**
 * Mints a key for each wanted prefix and has the object take them. The prefix is signed into the key string, but only the object
 * knows which prefix a tenant or a predecessor has. So for `undefined` the likely one is tried, and the object says when it is wrong.
 */
export async function mintFor<T>(
  context: RequestContext,
  tenantId: string,
  prefixes: readonly (string | undefined)[],
  take: (minted: readonly MintedKey[], command: CommandTemplate) => Promise<Mutated<T, Failure | PrefixMismatch>>,
): Promise<Minted<T>> {
  const { objects, runtime } = context;
  const { locator } = await objects.placeOf(tenantId);
  for (let likely = objects.likelyPrefix(tenantId); ; ) {
    const mints: Mint[] = [];
    for (const prefix of prefixes) {
      if (mints.length % MINTS_PER_TURN === MINTS_PER_TURN - 1) await nextTurn();
      mints.push(await mintKey(runtime, tenantId, locator, prefix ?? likely, Date.now()));
    }
    const secrets = mints.map(({ secret }) => secret);
    const command = await context.command(tenantId, { secrets });
    const isLong = mints.length >= MINTS_PER_TURN;
    if (isLong) await nextTurn();
    const result = await take(
      mints.map(({ minted }) => minted),
      command,
    );
    if (isLong) await nextTurn();
    if (result.ok) {
      const sealed = result.replay?.sealedSecrets;
      return { result, secrets: sealed ? await context.keptSecrets(tenantId, sealed) : secrets };
    }
    const { failure } = result;
    if (failure.code !== 'prefix_mismatch') return { result: { ...result, failure }, secrets: [] };
    likely = failure.prefix;
    objects.learnPrefix(tenantId, likely);
  }
}
