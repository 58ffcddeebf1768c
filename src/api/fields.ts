/**
 * Schemas of single fields, for the schemas of requests and responses. Every text, number and list has a bound.
 * `v.metadata` says in terms of JSON Schema what the description of the API cannot read from a check of our own, or
 * from a number that arrives as a text; validation skips it.
 */
import * as v from 'valibot';
import { KEY_ID_PATTERN, KEY_PREFIX_LENGTH_MAX, KEY_PREFIX_PATTERN } from '../../domain/key-string/key-string.ts';
import { MANAGEMENT_KEY_PREFIX } from '../auth/management-key.ts';
import { boundedArray, closedObject } from '../http/bounded-schemas.ts';
import { isLine, line } from '../http/line.ts';

/** The name of a tenant or a key. */
export const name = line(100);

const OWNER_LENGTH_MAX = 128;

/** The owner of a key: the id of a customer of the tenant, in the tenant's own words. */
export const ownerId = line(OWNER_LENGTH_MAX);
export const PLAN_ID_PATTERN = /^[A-Za-z0-9_.-]{1,50}$/;
/** The id of a plan, in the tenant's own words. */
export const planId = v.pipe(v.string(), v.regex(PLAN_ID_PATTERN, 'must be 1 to 50 letters, digits, _, . or -'));

/** Whether a text can be the owner of a key. */
export const isOwnerId = (text: string) => isLine(text, OWNER_LENGTH_MAX);

const DATE = /\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])/;
const TIME_OF_DAY = /(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?/;
const OFFSET = /(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)/;
const RFC_3339 = new RegExp(`^${DATE.source}T${TIME_OF_DAY.source}${OFFSET.source}$`);
const TIME_MESSAGE = 'must be an RFC 3339 time, like 2030-01-31T12:00:00.000Z';

/** An RFC 3339 time, as milliseconds since the epoch; digits beyond milliseconds are dropped. */
export const time = v.pipe(
  v.string(),
  v.regex(RFC_3339, TIME_MESSAGE),
  v.check(isRealTime, TIME_MESSAGE),
  v.metadata({ format: 'date-time' }),
  v.transform((text) => Date.parse(text)),
);

/** Times outside this range have no four-digit year in UTC. */
const TIME_MIN = Date.parse('0000-01-01T00:00:00.000Z');
const TIME_MAX = Date.parse('9999-12-31T23:59:59.999Z');

/** Refuses days that `Date` would silently move to the next month, such as the 30th of February. */
function isRealTime(text: string): boolean {
  const parsed = Date.parse(text);
  if (!(parsed >= TIME_MIN && parsed <= TIME_MAX)) return false;
  const day = Number(text.slice(8, 10));
  return new Date(Date.UTC(Number(text.slice(0, 4)), Number(text.slice(5, 7)) - 1, day)).getUTCDate() === day;
}

/** A time in a response: RFC 3339 in UTC with milliseconds. */
export const timeOut = v.pipe(v.string(), v.isoTimestamp());

export const wholeNumber = (min: number, max: number) =>
  v.pipe(
    v.number(),
    v.integer('must be a whole number'),
    v.minValue(min, `must be at least ${min}`),
    v.maxValue(max, `must be at most ${max}`),
  );

export const seconds = (max: number) =>
  v.pipe(
    v.number(),
    v.integer('must be a whole number of seconds'),
    v.minValue(0, 'must not be negative'),
    v.maxValue(max, `must be at most ${max} seconds`),
  );

export const YEAR_SECONDS = 31_536_000;

export const gracePeriodSeconds = seconds(YEAR_SECONDS);

export const keyId = v.pipe(v.string(), v.regex(KEY_ID_PATTERN, 'must be a key id'));

export const keyPrefix = v.pipe(
  v.string(),
  v.maxLength(KEY_PREFIX_LENGTH_MAX, `must be at most ${KEY_PREFIX_LENGTH_MAX} characters`),
  v.regex(
    KEY_PREFIX_PATTERN,
    'must be lower-case letters and digits in parts joined by single underscores, a letter first',
  ),
  v.check((prefix) => !isForeignPrefix(prefix), 'belongs to another service, whose keys scanners would report'),
  v.check((prefix) => prefix !== MANAGEMENT_KEY_PREFIX, 'is that of management keys'),
);

/** Whether secret scanners would take a key with this prefix for one of Stripe's or GitHub's. */
function isForeignPrefix(prefix: string): boolean {
  return /^(?:[spr]k_(?:live|test)|whsec|gh[pousr]|github_pat)(?:_|$)/.test(prefix);
}

const SCOPE_LENGTH_MAX = 100;
const SCOPES_MAX = 100;
const SCOPE = /^(?:\*|[A-Za-z0-9_./-]+(?::[A-Za-z0-9_./-]+)*(?::\*)?)$/;

const SCOPE_TOO_LONG = `must be at most ${SCOPE_LENGTH_MAX} characters`;
const SCOPE_MALFORMED =
  'must be segments of letters, digits, _, ., / and - joined by colons; the last segment may be *';

const isScope = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= SCOPE_LENGTH_MAX && SCOPE.test(value);
const scope = v.pipe(
  v.string(),
  v.check<string, (issue: v.CheckIssue<string>) => string>(isScope, ({ input }) =>
    input.length > SCOPE_LENGTH_MAX ? SCOPE_TOO_LONG : SCOPE_MALFORMED,
  ),
  v.metadata({ maxLength: SCOPE_LENGTH_MAX, pattern: SCOPE.source }),
);

/** Scopes, duplicates removed. A bulk body has up to 50,000 scopes, so valid ones must be checked fast (`isScope`). */
export const scopes = v.pipe(
  boundedArray(scope, 0, SCOPES_MAX, 'scopes', isScope),
  v.transform((list) => [...new Set(list)]),
);

const METADATA_BYTES_MAX = 4096;
const METADATA_DEPTH_MAX = 8;
/**
 * Members of objects and items of arrays, at all levels. Bounded because a page of a list parses the
 * metadata of 100 keys.
 */
const METADATA_VALUES_MAX = 1000;
/** Names that let metadata change the prototypes of a program that copies it member by member. */
const RESERVED_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const METADATA_MESSAGES = {
  untame: `must nest at most ${METADATA_DEPTH_MAX} deep, without broken Unicode or reserved names`,
  large: `must be at most ${METADATA_BYTES_MAX} bytes of JSON`,
  many: `must have at most ${METADATA_VALUES_MAX} values`,
} as const;

/** The caller's own JSON object, as its text. The walk bounds its size first, so that no long text is ever written. */
export const metadata = v.pipe(
  v.custom<object>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be an object',
  ),
  v.metadata({ type: 'object', additionalProperties: true }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const breach = new MetadataWalk().breachIn(dataset.value, METADATA_DEPTH_MAX);
    if (breach !== null) addIssue({ message: METADATA_MESSAGES[breach] });
  }),
  v.transform((value) => JSON.stringify(value)),
  v.check(
    (text) => text.length <= METADATA_BYTES_MAX && new TextEncoder().encode(text).length <= METADATA_BYTES_MAX,
    METADATA_MESSAGES.large,
  ),
);

/**
 * Whether a patch only switches something off. Keys and owners must be able to be stopped even when there is no room
 * for more data, so such a change does not count as one that grows.
 */
export function onlyDisables(patch: { readonly enabled?: boolean }): boolean {
  return patch.enabled === false && Object.keys(patch).length === 1;
}

/** Accepts null in place of the empty value. */
export function clearable<const S extends v.GenericSchema>(schema: S, empty: v.InferOutput<S>) {
  return v.pipe(
    v.nullable(schema),
    v.transform((value): v.InferOutput<S> => value ?? empty),
  );
}

/** One walk over metadata, which ends at the first breach. Counts the characters of texts and names, without quotes. */
class MetadataWalk {
  #values = 0;
  #characters = 0;

  breachIn(value: unknown, depth: number): keyof typeof METADATA_MESSAGES | null {
    if (typeof value === 'string') return this.#breachInText(value);
    if (typeof value !== 'object' || value === null) return null;
    if (depth === 0) return 'untame';
    for (const name in value) {
      this.#values += 1;
      if (this.#values > METADATA_VALUES_MAX) return 'many';
      if (RESERVED_NAMES.has(name)) return 'untame';
      const breach = this.#breachInText(name) ?? this.breachIn(Reflect.get(value, name), depth - 1);
      if (breach !== null) return breach;
    }
    return null;
  }

  #breachInText(text: string): 'large' | 'untame' | null {
    this.#characters += text.length;
    if (this.#characters > METADATA_BYTES_MAX) return 'large';
    return text.isWellFormed() ? null : 'untame';
  }
}

export const TENANT_ID_PATTERN = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const tenantId = v.pipe(
  v.string(),
  v.regex(TENANT_ID_PATTERN, 'must be 1 to 63 lower-case letters, digits, _ or -, a letter or digit first'),
);

// ---- query parameters, which always arrive as texts ----

export const pageLimit = v.optional(
  v.pipe(
    v.string(),
    v.regex(/^(?:[1-9][0-9]?|100)$/, 'must be a whole number from 1 to 100'),
    v.metadata({ type: 'integer', minimum: 1, maximum: 100 }),
    v.transform(Number),
  ),
  '25',
);
/** Any text: `CursorSigner.read` refuses one that is no cursor. */
export const cursor = v.optional(v.string());
export const order = v.optional(v.picklist(['asc', 'desc']), 'desc');

/** The body of operations that take no input: no body, or an empty object. */
export const emptyBody = v.optional(closedObject({}), {});

/** The `page` member of a response that lists something. */
export const pageOut = v.strictObject({
  limit: v.number(),
  nextCursor: v.nullable(v.string()),
  hasMore: v.boolean(),
});
