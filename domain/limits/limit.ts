/**
 * What a key may use: rate limits in a sliding window, quotas in a period of the UTC calendar. Each has a counter of
 * its own, which belongs to the root of a key's lineage or to an owner, and to the name of the limit. It never belongs
 * to a plan, since moving from one plan to another would then bring a new allowance.
 */
import { LEASE_OUTLAST_MAX_MS } from '../leases/lease.ts';
import type { Period } from './calendar.ts';

/** At most `limit` units in every interval of `windowMs`. */
export type RateLimit = { readonly kind: 'rate'; readonly limit: number; readonly windowMs: number };

/** At most `limit` units in each period. */
export type Quota = { readonly kind: 'quota'; readonly limit: number; readonly period: Period };

export type Limit = RateLimit | Quota;

/** Largest limit, and largest balance of credits: sums of a few of them are still exact. */
export const UNITS_MAX = 1_000_000_000_000;

/** What is allowed for in the clocks that limits are counted with. */
export type Allowances = {
  /** Share by which the object's clock may run fast while it measures a window. */
  readonly windowDrift: number;
  /**
   * How far the clock of a machine may be ahead of the clock of one that the object ran on before, at the same moment
   * (ms). It bounds the clocks' error and is not for each start: a row may be older than several starts. A clock that
   * is behind needs no allowance, since a stored time cannot be later than when it is read.
   */
  readonly clockStepMs: number;
  /** How long after a start a holder may still spend what an earlier instance of the object granted it (ms). */
  readonly unknownLeaseMs: number;
};

/** Machines that are kept on time differ by some milliseconds, so these are ample. */
export const ALLOWANCES: Allowances = {
  windowDrift: 0.001,
  clockStepMs: 1000,
  unknownLeaseMs: LEASE_OUTLAST_MAX_MS,
};

/** How a limit stands: what a caller is told. */
export type Standing = {
  readonly limit: number;
  readonly remaining: number;
  /** When all of it is free again if no more is used: for a quota, the end of the period (ms). */
  readonly resetsAt: number;
};
