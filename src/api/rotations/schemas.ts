/** Schemas of rotations, and how a record becomes a resource. */
import * as v from 'valibot';
import { isoTime } from '../../../domain/keys/changed-attributes.ts';
import type { RotationView } from '../../../durable-objects/tenant/rotations.ts';
import { closedObject } from '../../http/bounded-schemas.ts';
import { cursor, pageLimit, pageOut, timeOut } from '../fields.ts';

const STATES = ['grace', 'completed', 'cancelled'] as const;

export const listRotationsQuery = closedObject({
  limit: pageLimit,
  cursor,
  state: v.exactOptional(v.picklist(STATES)),
});

export const rotationResource = v.strictObject({
  id: v.string(),
  predecessor: v.string(),
  successor: v.string(),
  rotatedAt: timeOut,
  graceEndsAt: timeOut,
  endedAt: v.nullable(timeOut),
  state: v.picklist(STATES),
  by: v.strictObject({ type: v.string(), id: v.string() }),
  successorFirstUsedAt: v.nullable(timeOut),
  predecessorLastUsedAt: v.nullable(timeOut),
});

export const rotationList = v.strictObject({ data: v.array(rotationResource), page: pageOut });

export function toRotationResource(rotation: RotationView): v.InferOutput<typeof rotationResource> {
  return {
    // A key is the successor of at most one rotation, so its id identifies the rotation.
    id: rotation.successor.replace('key_', 'rot_'),
    predecessor: rotation.predecessor,
    successor: rotation.successor,
    rotatedAt: new Date(rotation.rotatedAt).toISOString(),
    graceEndsAt: new Date(rotation.graceEndsAt).toISOString(),
    endedAt: isoTime(rotation.endedAt),
    state: rotation.state,
    by: { ...rotation.by },
    successorFirstUsedAt: isoTime(rotation.successorFirstUsedAt),
    predecessorLastUsedAt: isoTime(rotation.predecessorLastUsedAt),
  };
}
