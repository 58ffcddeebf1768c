/**
 * Operations on encryption: counting what depends on each keyring entry, and sealing envelopes with the current
 * entry. Envelopes are opened and sealed here, since objects hold no secrets. The object replaces an envelope only if
 * it has not changed meanwhile, so other requests go on at the same time.
 */
import { logEvent } from '../../../durable-objects/log.ts';
import type { ResealProgress } from '../../../durable-objects/tenant/tenant-mutations.ts';
import { EMPTY_BODY, type Operation, operation, PATH_OF } from '../operation.ts';
import { unwrap } from '../problems.ts';
import type { RequestContext } from '../request-context.ts';
import { encryptionOverview, resealProgress } from './schemas.ts';

const ENCRYPTION = '/v1/tenants/:tenantId/encryption';

/** Envelopes in one batch. Sealing them here and writing them in the object takes some ten milliseconds each. */
const BATCH = 250;
/** Most batches that one request asks for. In a large tenant many may be empty before one has work. */
const BATCHES_MAX = 20;

const getEncryption = operation({
  id: 'encryption.get',
  summary: 'Counts what depends on each keyring entry',
  method: 'GET',
  path: ENCRYPTION,
  permission: 'maintenance:read',
  request: { path: PATH_OF.anyTenant },
  response: { body: encryptionOverview },
  run: async (context, { tenantId }) => {
    const { sealer, signer } = context.runtime;
    const { envelopes, signatures } = await context.read(tenantId, (tenant, target) => tenant.countDependents(target));
    return {
      value: {
        current: String(sealer.currentId),
        currentSignature: String(signer.currentId),
        envelopes: Object.fromEntries(envelopes),
        signatures: Object.fromEntries(signatures),
      },
    };
  },
});

const reseal = operation({
  id: 'encryption.reseal',
  summary: 'Seals a batch of envelopes anew, with the current keyring entry',
  method: 'POST',
  path: `${ENCRYPTION}/reseal`,
  permission: 'maintenance:run',
  request: { path: PATH_OF.anyTenant, ...EMPTY_BODY },
  response: { body: resealProgress },
  run: async (context, { tenantId }) => {
    let resealed = 0;
    let unreadable = 0;
    let remaining = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch++) {
      const done = await resealBatch(context, tenantId);
      resealed += done.resealed;
      unreadable += done.unreadable;
      remaining = done.remaining;
      // One batch with work is enough for a request. After unreadable envelopes the next batch would find them again.
      if (remaining === 0 || done.resealed > 0 || done.unreadable > 0) break;
    }
    return { value: { resealed, remaining, ...(unreadable === 0 ? {} : { unreadable }) } };
  },
});

/** Takes a batch of envelopes from the object, seals them with the current entry and gives them back. */
async function resealBatch(
  context: RequestContext,
  tenantId: string,
): Promise<ResealProgress & { readonly unreadable: number }> {
  const { sealer } = context.runtime;
  const currentId = sealer.currentId;
  const { items, walkedTo, remaining } = await context.read(tenantId, (tenant, target) =>
    tenant.takeForReseal(target, currentId, BATCH),
  );
  if (remaining === 0) return { resealed: 0, remaining, unreadable: 0 };
  const fresh = await Promise.all(
    items.map(async (item) => {
      const sealing = { tenantId, record: item.id, purpose: item.kind };
      const opened = await sealer.open(item.envelope, sealing);
      return typeof opened === 'string' ? null : { ...item, resealed: await sealer.seal(opened, sealing) };
    }),
  );
  const readable = fresh.filter((item) => item !== null);
  const unreadable = items.length - readable.length;
  if (unreadable > 0) {
    logEvent('warn', 'envelopes_unreadable', { requestId: context.requestId, count: String(unreadable) });
  }
  const progress = await context.change(
    tenantId,
    (tenant, target, command) => tenant.reseal(target, { currentId, items: readable, walkedTo }, command),
    { idempotent: false, conditional: false },
  );
  return { ...unwrap(progress), unreadable };
}

export const encryptionOperations: readonly Operation[] = [getEncryption, reseal];
