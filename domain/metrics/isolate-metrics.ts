/**
 * What this isolate counts. The Worker and the objects in one isolate share module state, so on a self-hosted server
 * these are the numbers of the whole process. On Cloudflare there are many isolates, and each has numbers of its own.
 *
 * Durations are in seconds, as Prometheus has them. They are measured with the clock of the runtime, in whole
 * milliseconds.
 */
import { Counter, Histogram } from './family.ts';
import { LargestTenants } from './largest-tenants.ts';

/** Up to 30 s: a change waits for leases of up to 10 s. */
const DURATIONS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** A wait for leases is as long as the setting of the tenant, in steps of a second. */
const WAITS = [0.001, 0.1, 0.25, 0.5, 1, 1.1, 2.2, 3.3, 5.5, 11];
/** An alarm may be late by minutes, when a server was stopped. */
const LAGS = [0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600];

export const requests = new Counter(
  'keystead_requests_total',
  'Requests that were answered, by route, method and status.',
  ['route', 'method', 'status'],
);
export const requestDurations = new Histogram(
  'keystead_request_duration_seconds',
  'How long requests took, by route.',
  DURATIONS,
  ['route'],
);

/**
 * `decided`: `here` for what the Worker refuses without a record (malformed and forged key strings, keys of other
 * tenants), `lease` for what it decides by a held record, `object` for what it asked the object of the tenant.
 */
export const verifications = new Counter(
  'keystead_verifications_total',
  'Verifications of keys, by whose keys they are, where they were decided, and code.',
  ['keys', 'decided', 'code'],
);

export const limitDecisions = new Counter(
  'keystead_limit_decisions_total',
  'Verifications that limits or credits decided, by what was charged, where that was decided, and code.',
  ['charged', 'decided', 'code'],
);

export const objectCalls = new Counter(
  'keystead_object_calls_total',
  'Attempts of calls to objects, repeated ones included.',
  ['object'],
);
export const objectCallRetries = new Counter(
  'keystead_object_call_retries_total',
  'Attempts that repeated one that had failed.',
  ['object'],
);
export const objectCallFailures = new Counter(
  'keystead_object_call_failures_total',
  'Calls to objects that failed for good, by reason.',
  ['object', 'reason'],
);
export const objectCallDurations = new Histogram(
  'keystead_object_call_duration_seconds',
  'How long attempts of calls to objects took. Changes include their waits for leases.',
  DURATIONS,
  ['object'],
);

export const leasesPassedOn = new Counter(
  'keystead_leases_passed_on_total',
  'Leases that clients asked for, by whether they got one.',
  ['result'],
);
export const leaseWaits = new Histogram(
  'keystead_lease_wait_seconds',
  'How long results of changes, and reads that tell of changes, waited for leases on the old state to end.',
  WAITS,
  ['result'],
);

export const alarmLags = new Histogram(
  'keystead_alarm_lag_seconds',
  'How much later than set alarms of objects went off.',
  LAGS,
  ['object'],
);
export const flushes = new Counter('keystead_flushes_total', 'Writes of what objects keep in memory for seconds.');

/** Events of the log that say that something is wrong. */
export const events = new Counter('keystead_events_total', 'Warnings and errors of the log, by event and level.', [
  'event',
  'level',
]);

/**
 * What alerts watch for is there from the start, with 0: Prometheus does not see the growth of a series that was not
 * there before.
 */
const ERRORS = [
  'request_failed',
  'object_call_failed',
  'alarm_failed',
  'settling_failed',
  'usage_not_counted',
  'deletion_not_finished',
  'tenant_in_wrong_place',
  'database_is_newer',
];
for (const event of ERRORS) events.at(event, 'error');
for (const object of ['tenant', 'directory']) {
  objectCallRetries.at(object);
  for (const reason of ['unavailable', 'overloaded', 'storage_full', 'newer_database']) {
    objectCallFailures.at(object, reason);
  }
}

export const largestTenants = new LargestTenants();

/** All families, in the order in which they are shown. */
export const FAMILIES: readonly (Counter | Histogram)[] = [
  requests,
  requestDurations,
  verifications,
  limitDecisions,
  objectCalls,
  objectCallRetries,
  objectCallFailures,
  objectCallDurations,
  leasesPassedOn,
  leaseWaits,
  alarmLags,
  flushes,
  events,
];
