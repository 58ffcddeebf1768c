/**
 * Requests as data points of Workers Analytics Engine, for deployments on Cloudflare. There each isolate counts for
 * itself, and nobody can scrape them all. The platform takes the points after the response and samples them if there
 * are many, so a request waits for nothing. Docs: https://developers.cloudflare.com/analytics/analytics-engine/
 */
import type { RequestLog } from './request-log.ts';

type DataPoint = { readonly indexes: string[]; readonly blobs: string[]; readonly doubles: number[] };

export type AnalyticsBinding = { readonly ANALYTICS?: { writeDataPoint(point: DataPoint): void } };

/**
 * Writes one data point about a request, if the binding is there. All its texts are of the program or ids of a checked
 * form, so it is bounded. Never throws: a request must not fail because of what is written about it.
 *
 *   index1   route
 *   blob1-6  route, method, code of the problem, code of the verification, tenant, version of the program
 *   double1-3  status, duration (ms), calls to objects
 */
export function writeRequest({ ANALYTICS: dataset }: AnalyticsBinding, log: RequestLog, version: string): void {
  if (dataset === undefined) return;
  const { route, method, code, verification, tenant, status, durationMs, objectCalls } = log;
  const name = route ?? NO_ROUTE;
  try {
    dataset.writeDataPoint({
      indexes: [name],
      blobs: [name, method, code ?? '', verification ?? '', tenant ?? '', version],
      doubles: [status, durationMs, objectCalls],
    });
  } catch {
    // Without the point, the request is only missing from the statistics.
  }
}

/** The route of requests that matched none. */
export const NO_ROUTE = 'none';
