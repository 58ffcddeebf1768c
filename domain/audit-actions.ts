/** The actions that the audit log records. Their names are part of the API: add to them, never rename one. */
export const AUDIT_ACTIONS = [
  'tenant.create',
  'tenant.update',
  'tenant.delete',
  'key.create',
  'key.update',
  'key.rotate',
  'key.revoke',
  'key.revoke_owner',
  'key.delete',
  'key.reveal',
  'key.rotation_complete',
  'key.rotation_cancel',
  'owner.create',
  'owner.update',
  'owner.delete',
  'encryption.reseal',
  'cleanup.run',
] as const;
export type AuditAction = (typeof AUDIT_ACTIONS)[number];
