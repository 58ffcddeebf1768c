/**
 * What an isolate tells a tenant's object about verifications that it has decided itself: uses and counts. It tells
 * them with calls that it makes anyway, and with one more when the tenant falls quiet. Then it gives units of limits
 * back, too.
 */
import type { HeldKey } from '../../domain/keys/held-key.ts';
import type { DecisionCode } from '../../domain/keys/verification.ts';
import type { ReportedUse } from '../../domain/leases/lease.ts';
import { renew } from './object-calls.ts';
import type { LeaseServices, VerificationObjects } from './services.ts';

/** A tenant that falls quiet reports its last uses so long (ms) before its lease ends. */
const REPORT_BEFORE_END_MS = 50;
/** Uses are reported within this time (ms), however long the lease is. */
const REPORT_WITHIN_MS = 3000;

/** Units of a tenant of which none were spent for so long (ms) go back, before the object may be put to sleep. */
const GIVE_BACK_AFTER_MS = 3000;
/** One request watches for that at most so often. A later one goes on. */
const WATCHES_MAX = 6;
/** Calls that give back all that an isolate may hold of a tenant, some 200 budgets each. */
const REPORTS_MAX = 25;

/** Notes a use that the object has not seen, and sees that it hears of it. */
export function noteUse(
  objectName: string,
  keyId: string,
  now: number,
  services: LeaseServices,
  objects: VerificationObjects,
): void {
  const { leases } = services;
  const noted = leases.noteUse(objectName, keyId, now);
  if (noted === 'nothing new' || noted === 'more') return;
  const untilEnd = leases.remainingMs(objectName, now) - REPORT_BEFORE_END_MS;
  const waitMs = noted === 'full' ? 0 : Math.min(Math.max(untilEnd, 0), REPORT_WITHIN_MS);
  objects.afterwards(waitMs, () => reportUses(objectName, services, objects));
}

/** Notes uses that a client has decided, by records that this isolate has passed on. */
export function noteUsesOfOther(
  objectName: string,
  uses: readonly ReportedUse[],
  services: LeaseServices,
  objects: VerificationObjects,
): void {
  const now = services.now();
  for (const { keyId, agoMs } of uses) {
    const noted = services.leases.noteUseOfOther(objectName, keyId, now - agoMs);
    if (noted === 'more') continue;
    const waitMs = noted === 'full' ? 0 : REPORT_WITHIN_MS;
    objects.afterwards(waitMs, () => reportUses(objectName, services, objects));
  }
}

/** Counts a verification that the object has not seen, and sees that some call tells it. */
export function countUse(
  objectName: string,
  { tenant, key }: HeldKey,
  code: DecisionCode,
  units: number,
  now: number,
  services: LeaseServices,
  objects: VerificationObjects,
): void {
  const { usage } = services.leases;
  const planned = usage.count(objectName, tenant.incarnation, key, code, units, now);
  if (planned !== null) objects.afterwards(planned, () => reportCounts(objectName, services, objects));
}

/**
 * Reports counts that no other call has taken along. It does so when the lease ends: then a tenant in use needs a call
 * anyway, and this one renews the lease.
 */
async function reportCounts(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<void> {
  const { leases, now } = services;
  const untilEnd = leases.remainingMs(objectName, now()) - REPORT_BEFORE_END_MS;
  const report = async () => {
    if (leases.usage.isDue(objectName)) await renew(objectName, services, objects);
  };
  if (untilEnd > 0) objects.afterwards(untilEnd, report);
  else await report();
}

/** Reports uses that no other call has taken along. */
async function reportUses(objectName: string, services: LeaseServices, objects: VerificationObjects): Promise<void> {
  if (services.leases.hasUses(objectName)) await renew(objectName, services, objects);
}

/**
 * Sees that units go back to the object when this isolate falls quiet: otherwise they count as used until their window
 * or period is over, and are lost when the object sleeps. One request of the tenant watches at a time.
 */
export function giveBackWhenIdle(objectName: string, services: LeaseServices, objects: VerificationObjects): void {
  const now = services.now();
  if (!services.budgets.watch(objectName, now, now + (WATCHES_MAX + 1) * GIVE_BACK_AFTER_MS)) return;
  objects.afterwards(GIVE_BACK_AFTER_MS, async () => {
    await watchForIdleness(objectName, services, objects);
    services.budgets.unwatch(objectName);
  });
}

async function watchForIdleness(
  objectName: string,
  services: LeaseServices,
  objects: VerificationObjects,
): Promise<void> {
  for (let watches = 0; watches < WATCHES_MAX; watches++) {
    const held = services.budgets.of(objectName);
    if (held === undefined) return;
    const leftMs = GIVE_BACK_AFTER_MS - held.idleMs(services.now());
    if (leftMs <= 0) {
      held.giveBack(services.now());
      for (let calls = 0; calls < REPORTS_MAX && held.hasNews; calls++) {
        if (!(await renew(objectName, services, objects))) return;
      }
      return;
    }
    await scheduler.wait(leftMs);
  }
}
