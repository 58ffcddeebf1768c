/**
 * The check for gateways: the same verification as `POST /v1/keys/verify`, in the form that nginx (`auth_request`),
 * Caddy and Traefik (`forward_auth`) and Envoy (`ext_authz`) ask for. They send the headers of the customer's request,
 * by its method, and act on status and headers of the answer.
 */
import type * as v from 'valibot';
import { bearerTokenIn } from '../../http/bearer-token.ts';
import { type Operation, type Outcome, operation, PATH_OF } from '../operation.ts';
import type { RequestContext } from '../request-context.ts';
import type { ResponseHeader } from '../response-headers.ts';
import { verifyAsAsked } from '../verification/operations.ts';
import { answerTo, keyMissing, severalKeys } from './answers.ts';
import { authorizeQuery } from './schemas.ts';

/** Where a customer may put its key. */
const KEY_HEADERS = ['Authorization', 'X-API-Key'] as const;
const ANSWER_HEADERS: readonly ResponseHeader[] = [
  'X-Keystead-Key',
  'X-Keystead-Tenant',
  'X-Keystead-Owner',
  'X-Keystead-Scopes',
  'Deprecation',
  'Sunset',
  'RateLimit',
  'RateLimit-Policy',
];

type AuthorizeInput = {
  readonly headers: Readonly<Record<(typeof KEY_HEADERS)[number], string | null>>;
  readonly query: v.InferOutput<typeof authorizeQuery>;
};

const COMMON = {
  method: 'GET',
  anyMethod: true,
  sender: 'gateway',
  permission: 'keys:verify',
  confined: 'allowed',
  changes: false,
  errors: ['key_missing', 'key_not_valid', 'key_not_allowed', 'key_limited'],
  run: async (context: RequestContext, { headers, query }: AuthorizeInput): Promise<Outcome<null>> => {
    const key = keyIn(headers);
    return answerTo(await verifyAsAsked(context, { key, ...query }), Date.now());
  },
} as const;

const RESPONSE = { body: null, headers: ANSWER_HEADERS, isSecret: true } as const;

const authorize = operation({
  ...COMMON,
  id: 'gateways.authorize',
  summary: "Verifies the key of a customer's request for a gateway, which acts on status and headers",
  path: '/v1/authorize',
  request: { query: authorizeQuery, headers: KEY_HEADERS },
  response: RESPONSE,
});

/**
 * For Envoy, which appends path and query of the customer's request to its own path. So that no customer chooses the
 * scopes and the cost, the query of the address is not read here.
 */
const authorizeBelow = operation({
  ...COMMON,
  id: 'gateways.authorizeBelow',
  summary: "The same for gateways that append the customer's own path and query, which are not looked at",
  path: '/v1/authorize/:path+',
  request: { path: PATH_OF.anything, query: authorizeQuery, queryHeader: 'X-Keystead-Query', headers: KEY_HEADERS },
  response: RESPONSE,
});

/** The key of the request. Throws a problem when it has none, or two that differ. */
function keyIn({ Authorization, 'X-API-Key': other }: AuthorizeInput['headers']): string {
  const bearer = bearerTokenIn(Authorization);
  const key = bearer ?? (other || null);
  if (key === null) throw keyMissing();
  if (other && other !== key) throw severalKeys();
  return key;
}

export const gatewayOperations: readonly Operation[] = [authorize, authorizeBelow];
