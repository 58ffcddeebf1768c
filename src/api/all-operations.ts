/** The list of all operations. */
import { auditOperations } from './audit/operations.ts';
import { cleanupOperations } from './cleanup/operations.ts';
import { creditOperations } from './credits/operations.ts';
import { encryptionOperations } from './encryption/operations.ts';
import { gatewayOperations } from './gateways/operations.ts';
import { keyOperations } from './keys/operations.ts';
import { leaseOperations } from './leases/operations.ts';
import { limitOperations } from './limits/operations.ts';
import { managementKeyOperations } from './management-keys/operations.ts';
import { metricsOperations } from './metrics/operations.ts';
import type { Operation } from './operation.ts';
import { ownerOperations } from './owners/operations.ts';
import { planOperations } from './plans/operations.ts';
import { rotationOperations } from './rotations/operations.ts';
import { tenantOperations } from './tenants/operations.ts';
import { usageOperations } from './usage/operations.ts';
import { verificationOperations } from './verification/operations.ts';

export const operations: readonly Operation[] = [
  ...verificationOperations,
  ...leaseOperations,
  ...gatewayOperations,
  ...keyOperations,
  ...rotationOperations,
  ...ownerOperations,
  ...planOperations,
  ...creditOperations,
  ...limitOperations,
  ...tenantOperations,
  ...managementKeyOperations,
  ...encryptionOperations,
  ...cleanupOperations,
  ...auditOperations,
  ...usageOperations,
  ...metricsOperations,
];
