/** Rotations under way: watching them, and ending them early one way or the other. */
import type { Answer } from '../../http/answer.ts';
import type { Call } from '../request-context.ts';
import { emptyBody } from '../fields.ts';
import { listRotationsQuery, toRotationResource } from './schemas.ts';
import { unwrap } from '../outcomes.ts';
import { keyResponse } from '../keys/operations.ts';
import { BODY_BYTES, keyRoute, type Route, tenantRoute } from '../operation.ts';

async function completeRotation(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  await call.body(emptyBody);
  const completed = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.completeRotation(target, keyId, command),
  );
  return keyResponse(tenantId, completed);
}

async function cancelRotation(call: Call, tenantId: string, keyId: string): Promise<Answer> {
  await call.body(emptyBody);
  const cancelled = await call.objects.changeTenant(
    tenantId,
    await call.command(tenantId),
    (tenant, target, command) => tenant.cancelRotation(target, keyId, command),
  );
  return keyResponse(tenantId, cancelled);
}

async function listRotations(call: Call, tenantId: string): Promise<Answer> {
  const { limit, cursor, ...filter } = call.query(listRotationsQuery);
  const list = { list: 'rotations', tenantId, filter };
  const query = { ...filter, limit, after: await call.position(cursor, list) };
  const page = unwrap(await call.objects.tenant(tenantId, (tenant, target) => tenant.listRotations(target, query)));
  return call.listResponse(page.items.map(toRotationResource), page, limit, list);
}

export const rotationRoutes: readonly Route[] = [
  tenantRoute('GET', '/rotations', 'keys:read', listRotations),
  keyRoute('POST', '/rotation/complete', 'keys:rotate', completeRotation, { bodyBytesMax: BODY_BYTES.none }),
  keyRoute('POST', '/rotation/cancel', 'keys:rotate', cancelRotation, { bodyBytesMax: BODY_BYTES.none }),
];
