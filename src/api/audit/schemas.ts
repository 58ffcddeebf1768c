/** Schemas of audit logs, and how an entry becomes a resource. */
import * as v from 'valibot';
import { AUDIT_ACTIONS } from '../../../domain/audit-actions.ts';
import type { AuditEntry } from '../../../durable-objects/audit-log.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { line } from '../../http/line.ts';
import { onBehalfOf } from '../../http/on-behalf-of.ts';
import { cursor, keyId, pageLimit, pageOut, time, timeOut } from '../fields.ts';

export const listAuditQuery = closedObject({
  limit: pageLimit,
  cursor,
  action: v.exactOptional(v.picklist(AUDIT_ACTIONS)),
  keyId: v.exactOptional(keyId),
  actor: v.exactOptional(line(64)),
  onBehalfOf: v.exactOptional(onBehalfOf),
  since: v.exactOptional(time),
  until: v.exactOptional(time),
});

export type ListAuditQuery = v.InferOutput<typeof listAuditQuery>;

export const auditEntry = v.strictObject({
  id: v.string(),
  at: timeOut,
  action: v.string(),
  actor: v.strictObject({ type: v.string(), id: v.string() }),
  onBehalfOf: v.exactOptional(v.string()),
  keyId: v.exactOptional(v.string()),
  requestId: v.string(),
  ip: v.exactOptional(v.string()),
  changes: v.exactOptional(v.record(v.string(), v.unknown())),
});
export type AuditEntryResource = v.InferOutput<typeof auditEntry>;

export const auditList = v.strictObject({ data: v.array(auditEntry), page: pageOut });

export function toAuditEntry(entry: AuditEntry): AuditEntryResource {
  return {
    id: entry.id,
    at: new Date(entry.at).toISOString(),
    action: entry.action,
    actor: { type: entry.actorType, id: entry.actorId },
    ...(entry.onBehalfOf === null ? {} : { onBehalfOf: entry.onBehalfOf }),
    ...(entry.keyId === null ? {} : { keyId: entry.keyId }),
    requestId: entry.requestId,
    ...(entry.ip === null ? {} : { ip: entry.ip }),
    ...(entry.changes === null ? {} : { changes: JSON.parse(entry.changes) }),
  };
}
