/** The figures of verification by leases in a client's own process, and what is asked of them. */

import type { FleetFigures } from '../client/fleet.ts';
import type { ClientFigures } from '../client/measure.ts';
import { number } from './names.ts';
import { type Verdict, verdict } from './verdict.ts';

const PER_SECOND_MIN = 1_000_000;
/** A renewal in each lease period, a little before its end. */
const REQUESTS_MAX = 1.2;

export function clientVerdicts({ leasedPerSecond, others, fleets }: ClientFigures): Verdict[] {
  return [
    verdict(
      'client by leases, verifications for each second of CPU',
      'at least',
      PER_SECOND_MIN,
      '/s',
      leasedPerSecond,
    ),
    ...others.flatMap(({ name, factor, ratio }) =>
      factor === null ? [] : [verdict(`client by leases over ${name}`, 'at least', factor, 'times', ratio)],
    ),
    ...fleets.map((fleet) => {
      const { requestsPerClientAndPeriod: asked } = fleet;
      const spread = { median: asked, low: asked, high: asked };
      return { ...verdict(`requests of ${fleetOf(fleet)}`, 'at most', REQUESTS_MAX, 'times', spread), spread: null };
    }),
  ];
}

const fleetOf = ({ clients, keys }: FleetFigures) =>
  `${number(clients)} client processes with ${number(keys)} keys each, for a client and lease period`;

export function clientLines({ keys, leasedPerSecond, others, fleets, wrong }: ClientFigures): string[] {
  const perSecond = ({ median, low, high }: ClientFigures['leasedPerSecond']) =>
    `${number(Math.round(median))} (${number(Math.round(low))}-${number(Math.round(high))})`;
  return [
    `client, ${number(keys)} tokens in turn, verifications for each second of the process's CPU:`,
    `  by leases: ${perSecond(leasedPerSecond)}`,
    ...others.map(({ name, perSecond: own, ratio: { median, low, high } }) => {
      const digits = median < 100 ? 2 : 0;
      const times = `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`;
      return `  ${name}: ${perSecond(own)}; by leases ${times} times as many`;
    }),
    ...fleets.map((fleet) => {
      const { leasePeriods, requests, verifications, requestsPerClientAndPeriod: asked } = fleet;
      const counted = `${number(requests)} requests for ${number(verifications)} verifications`;
      return `  requests of ${fleetOf(fleet)}: ${asked.toFixed(2)} (${counted} in ${leasePeriods} periods)`;
    }),
    ...(wrong === 0 ? [] : [`  ${number(wrong)} verifications were wrong`]),
  ];
}
