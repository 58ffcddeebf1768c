/**
 * Key material: what depends on each keyring entry, and moving envelopes to the current one. Envelopes are opened and sealed here, since
 * objects hold no secrets; the object replaces each only if it is still what was taken, so traffic goes on.
 */
import type { ResealProgress } from '../../../durable-objects/tenant/mutations.ts';
import { type Answer, json } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { logEvent } from '../../http/log.ts';
import { emptyBody } from '../fields.ts';
import { unwrap } from '../outcomes.ts';
import { BODY_BYTES, type Route, tenantRoute } from '../operation.ts';

/** Envelopes in one batch: some ten milliseconds of encryption here and of writing there. */
const BATCH = 250;
/** Batches that one request moves at most, empty stretches of a large tenant included. */
const BATCHES_MAX = 20;

async function getEncryption(call: Call, tenantId: string): Promise<Answer> {
  const { envelopes, signatures } = unwrap(
    await call.objects.tenant(tenantId, (tenant, target) => tenant.countDependents(target)),
  );
  const { sealer, signer } = call.runtime;
  return json({
    current: String(sealer.currentId),
    currentSignature: String(signer.currentId),
    envelopes: Object.fromEntries(envelopes),
    signatures: Object.fromEntries(signatures),
  });
}

async function reseal(call: Call, tenantId: string): Promise<Answer> {
  await call.body(emptyBody);
  let resealed = 0;
  let unreadable = 0;
  let remaining = 0;
  for (let batch = 0; batch < BATCHES_MAX; batch++) {
    const done = await resealBatch(call, tenantId);
    resealed += done.resealed;
    unreadable += done.unreadable;
    remaining = done.remaining;
    // Going on would only meet the unreadable ones again.
    if (remaining === 0 || done.resealed > 0 || done.unreadable > 0) break;
  }
  return json({ resealed, remaining, ...(unreadable === 0 ? {} : { unreadable }) });
}

async function resealBatch(call: Call, tenantId: string): Promise<ResealProgress & { readonly unreadable: number }> {
  const { sealer } = call.runtime;
  const currentId = sealer.currentId;
  const { items, walkedTo, remaining } = unwrap(
    await call.objects.tenant(tenantId, (tenant, target) => tenant.takeForReseal(target, currentId, BATCH)),
  );
  if (remaining === 0) return { resealed: 0, remaining, unreadable: 0 };
  const fresh = await Promise.all(
    items.map(async (item) => {
      const context = { tenantId, record: item.id, purpose: item.kind };
      const opened = await sealer.open(item.envelope, context);
      return typeof opened === 'string' ? null : { ...item, resealed: await sealer.seal(opened, context) };
    }),
  );
  const readable = fresh.filter((item) => item !== null);
  const unreadable = items.length - readable.length;
  if (unreadable > 0)
    logEvent('warn', 'envelopes_unreadable', { requestId: call.requestId, count: String(unreadable) });
  const command = { ...(await call.command(tenantId)), idempotency: null, ifVersions: null };
  const progress = unwrap(
    await call.objects.changeTenant(tenantId, command, (tenant, target, op) =>
      tenant.reseal(target, { currentId, items: readable, walkedTo }, op),
    ),
  );
  return { ...progress, unreadable };
}

export const encryptionRoutes: readonly Route[] = [
  tenantRoute('GET', '/encryption', 'maintenance:read', getEncryption, { system: 'allowed' }),
  tenantRoute('POST', '/encryption/reseal', 'maintenance:run', reseal, {
    system: 'allowed',
    bodyBytesMax: BODY_BYTES.none,
  }),
];
