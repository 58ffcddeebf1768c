/** The import of keys that were issued elsewhere. Hashes become keyed digests here; the object decides and stores. */

import { newKeyId } from '../../../domain/key-string/key-string.ts';
import type { NewForeignKey } from '../../../durable-objects/tenant/keys/key-mutations.ts';
import type { ForeignKeyDigester } from '../../crypto/foreign-key-digest.ts';
import { LongList } from '../../http/long-list.ts';
import { nextTurn, partsInTurns } from '../../http/turns.ts';
import { BODY_BYTES, operation, PATH_OF } from '../operation.ts';
import { isReplayed } from '../outcomes.ts';
import { unwrap } from '../problems.ts';
import {
  importedKeys,
  importKeysBody,
  shownOfImport,
  toImportedResource,
  type WantedImport,
} from './import-schemas.ts';

/** Keys whose digests are computed in one turn of the event loop, up to 16 for each. */
const KEYS_PER_TURN = 50;

export const importKeys = operation({
  id: 'keys.import',
  summary: 'Imports up to 500 keys that were issued elsewhere, by their hashes: all of them or none',
  method: 'POST',
  path: '/v1/tenants/:tenantId/keys/import',
  // Whoever knows a key string and imports its hash has made a key: no more and no less than by creating one.
  permission: 'keys:create',
  grows: true,
  request: { path: PATH_OF.tenant, body: importKeysBody, bodyBytesMax: BODY_BYTES.bulk },
  response: { status: 201, body: importedKeys },
  errors: ['hash_exists'],
  run: async (context, { tenantId, body: wanted }) => {
    const newKeys: NewForeignKey[] = [];
    const { foreignDigests } = context.runtime;
    for await (const part of partsInTurns(wanted, KEYS_PER_TURN)) {
      for (const key of part) newKeys.push(await toStored(foreignDigests, tenantId, key));
    }
    await nextTurn();
    const result = await context.change(tenantId, (tenant, target, command) =>
      tenant.importKeys(target, newKeys, command),
    );
    const imported = unwrap(result, true);
    const value = new LongList(imported.length, (i) => {
      const [asked, key] = [wanted[i], imported[i]];
      if (asked === undefined || key === undefined)
        throw new Error('the object imported another number of keys than was wanted');
      return toImportedResource(tenantId, asked, key);
    });
    return { value, replayed: isReplayed(result) };
  },
});

/** The key as the object stores it. */
async function toStored(digester: ForeignKeyDigester, tenantId: string, wanted: WantedImport): Promise<NewForeignKey> {
  const { hash, prefix: _prefix, hint: _hint, createdAt, credits, scopes, ...attributes } = wanted;
  const key = {
    id: newKeyId(Date.now(), (bytes) => crypto.getRandomValues(bytes)),
    ...shownOfImport(wanted),
    digests: await digester.ofHash(tenantId, hash),
    signingKeyId: digester.currentId,
    createdAt,
  };
  return { key, attributes: { ...attributes, scopes: JSON.stringify(scopes) }, credits };
}
