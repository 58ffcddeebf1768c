/**
 * Who sends the requests of an operation. It decides where the token of the caller is, and what the sender is told when
 * its part of the request is wrong.
 */
import { bearerToken } from '../http/bearer-token.ts';
import type { Problem } from '../http/problem.ts';
import { gatewayMisconfigured } from './problems.ts';

/**
 * `caller`: the caller itself, with its token in `Authorization`.
 *
 * `gateway`: a gateway that asks about a request of somebody else, who has written `Authorization`. The gateway's own
 * token is in `X-Keystead-Token`. It passes a refusal on to that somebody, who must not take a mistake of the gateway
 * for one of its own, so such a mistake is `gateway_misconfigured`.
 */
export type Sender = 'caller' | 'gateway';

type Dealings = {
  /** The token of the caller, null without one. */
  readonly tokenOf: (request: Request) => string | null;
  /** What the sender is told instead of this problem. */
  readonly told: (problem: Problem) => Problem;
};

export const GATEWAY_TOKEN_HEADER = 'X-Keystead-Token';

const OF_THE_GATEWAY: Readonly<Record<string, string>> = {
  unauthenticated: `${GATEWAY_TOKEN_HEADER} is missing or not valid.`,
  forbidden: `The caller of ${GATEWAY_TOKEN_HEADER} may not verify keys.`,
};

export const SENDERS: Readonly<Record<Sender, Dealings>> = {
  caller: { tokenOf: bearerToken, told: (problem) => problem },
  gateway: {
    tokenOf: (request) => request.headers.get(GATEWAY_TOKEN_HEADER) || null,
    told: (problem) => {
      const { type, options } = problem;
      if (type.code === 'validation_failed') return gatewayMisconfigured(options.detail ?? '');
      const detail = OF_THE_GATEWAY[type.code];
      return detail === undefined ? problem : gatewayMisconfigured(detail);
    },
  },
};
