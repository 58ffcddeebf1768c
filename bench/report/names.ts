/** The names of the rows, by which verdicts and the chart find them. */
import type { Options } from '../options.ts';
import { PAGE } from '../servers/api.ts';

const THOUSANDS = new Intl.NumberFormat('en-US');
export const number = (value: number) => THOUSANDS.format(value);

export const FLOOR_A = 'floor A: parse and answer JSON';
export const FLOOR_B = 'floor B: and an object call';
export const FLOOR_C = 'floor C: and one UPDATE';
export const FLOOR_D = 'floor D: a cold object, one SELECT';
export const STRICT = 'verify strict';
export const LEASED = 'verify leased';
/** Keys of one tenant, each used seldom. */
export const EVENLY_OVER = 2000;
export const LEASED_EVENLY = `verify, ${number(EVENLY_OVER)} keys evenly`;
/** Asks the object as for a key that the isolate does not hold, and is granted a lease. */
export const LEASED_FRESH = 'verify leased, fresh';
/** Keys with a rate limit that they stay far below. */
export const LEASED_LIMITED = 'verify leased, limited';
export const STRICT_LIMITED = 'verify strict, limited';
export const STRICT_CREDITS = 'verify strict, credits';
/** Keys that were issued elsewhere. */
export const LEASED_IMPORTED = 'verify leased, imported';
export const STRICT_IMPORTED = 'verify strict, imported';
export const FORGED = 'verify forged';
export const CREATE = 'create';
export const ROTATE = 'rotate';
export const REVOKE = 'revoke, no lease';
export const REVOKE_LEASED = 'revoke, live lease (waits for it)';
export const COLD = 'verify cold, first of a tenant';
export const GET_KEY = 'get key';
export const LIST_25 = 'list 25 keys';
export const LIST_FIRST = 'list page 1';
export const PEER = 'verify better-auth, defaults';
export const PEER_UNLIMITED = 'verify better-auth, rate limit off';

/** Verifications in a small tenant on the server that has the large one. */
export const STRICT_BESIDE = 'verify strict, small tenant beside';
export const STRICT_PLAN_BESIDE = 'verify strict, small tenant of a plan beside';
export const PLANNED_BESIDE = 'verify strict, limit of a plan, small tenant beside';
export const CHANGE_PLAN_BESIDE = 'change a plan, small tenant beside';
export const CREATE_BESIDE = 'create, small tenant beside';
export const ROTATE_BESIDE = 'rotate, small tenant beside';

export const strictAt = (keys: number) => `verify strict, ${number(keys)} keys`;
/** All keys of the tenant have one plan, whose limit these verifications name. */
export const plannedAt = (keys: number) => `verify strict, limit of a plan, ${number(keys)} keys`;
export const changePlanAt = (keys: number) => `change a plan, ${number(keys)} keys`;
export const createAt = (keys: number) => `create, ${number(keys)} keys`;
export const rotateAt = (keys: number) => `rotate, ${number(keys)} keys`;
export const listLast = ({ keys }: Options) => `list page ${number(Math.ceil(keys / PAGE))}`;
export const strictSpread = (keys: number, verified: number) =>
  `verify strict, ${number(verified)} different of ${number(keys)} keys`;
/** Different keys verified in a tenant: more than fit in a cache of a few thousand. */
const SPREAD_MAX = 20_000;
/** Keys of the tenant of that row. */
export const SPREAD_OF = 100_000;
export const spreadOver = (keys: number) => Math.min(keys, SPREAD_MAX);
export const spreadJudged = ({ keys }: Options) =>
  strictSpread(Math.min(keys, SPREAD_OF), spreadOver(Math.min(keys, SPREAD_OF)));
export const rssAwake = ({ tenants }: Options) => `rss ${number(tenants)} awake tenants`;
export const strictAwake = (tenants: number) => `verify strict, ${number(tenants)} tenants, awake`;
export const strictAsleep = ({ tenants }: Options) => `verify strict, ${number(tenants)} tenants, asleep`;
