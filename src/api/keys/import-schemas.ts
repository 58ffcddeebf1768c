/** Schemas of the import of keys that were issued elsewhere. */
import * as v from 'valibot';
import type { ImportedKey } from '../../../domain/keys/record.ts';
import { newCredits as firstCredits } from '../../../domain/limits/credits.ts';
import { closedObject, listBody } from '../../http/bounded-schemas.ts';
import { line } from '../../http/line.ts';
import { time } from '../fields.ts';
import { BULK_MAX, createKeyBody, type KeyResource, keyResource, toKeyResource, UNTOUCHED } from './schemas.ts';

/** Hashes of passwords, which are slow by design. */
const SLOW = /^(?:bcrypt|scrypt|argon2(?:id|i|d)?|pbkdf2)(?![a-z])/i;
const SLOW_MESSAGE =
  'cannot be imported: it is a slow hash with a salt of its own, so each verification would have to compute it for ' +
  'every stored key; issue new keys instead';

const algorithm = v.pipe(
  v.string(),
  v.check<string, (issue: v.CheckIssue<string>) => string>(
    (text) => text === 'sha256',
    ({ input }) => (SLOW.test(input) ? SLOW_MESSAGE : 'must be sha256'),
  ),
  v.metadata({ enum: ['sha256'] }),
);

/** How 32 bytes are written, each in exactly one way. The last digit of a Base64 text has two bits that must be 0. */
const ENCODINGS = {
  hex: { pattern: /^[0-9a-f]{64}$/, message: 'must be 64 hexadecimal digits in lower case, the 32 bytes of SHA-256' },
  base64: {
    pattern: /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/,
    message: 'must be 43 characters of Base64 and =, the 32 bytes of SHA-256',
  },
  base64url: {
    pattern: /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/,
    message: 'must be 43 characters of Base64url without padding, the 32 bytes of SHA-256',
  },
} as const;

/** A hash of a key string, as its 32 bytes. */
const hash = v.pipe(
  closedObject({
    algorithm,
    value: v.pipe(v.string(), v.metadata({ minLength: 43, maxLength: 64 })),
    encoding: v.picklist(['hex', 'base64', 'base64url']),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { value, encoding } = dataset.value;
    const { pattern, message } = ENCODINGS[encoding];
    if (pattern.test(value)) return;
    addIssue({ message, path: [{ type: 'object', origin: 'value', input: dataset.value, key: 'value', value }] });
  }),
  v.transform(({ value, encoding }) => (encoding === 'hex' ? fromHex(value) : fromBase64(value))),
);

function fromHex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (digit) => digit.charCodeAt(0));
}

/** Prefix and hint of a foreign key, in the words of whoever issued it. */
const FOREIGN_TEXT_LENGTH_MAX = 50;

/** No service has issued keys before that. It catches times in seconds that were taken for milliseconds. */
const CREATED_AT_MIN = '2000-01-01T00:00:00.000Z';

const { prefix: _, ...attributes } = createKeyBody.entries;

export const importKeyBody = closedObject({
  hash,
  prefix: v.exactOptional(line(FOREIGN_TEXT_LENGTH_MAX)),
  hint: v.exactOptional(line(FOREIGN_TEXT_LENGTH_MAX)),
  createdAt: v.optional(
    v.nullable(
      v.pipe(
        time,
        v.check((at) => at >= Date.parse(CREATED_AT_MIN), `must not be before ${CREATED_AT_MIN}`),
      ),
    ),
    null,
  ),
  ...attributes,
});

export const importKeysBody = listBody('keys', importKeyBody, BULK_MAX, 'keys');

/** A key as the caller wants to import it. */
export type WantedImport = v.InferOutput<typeof importKeyBody>;

/** The keys that were imported, in the order of the request. */
export const importedKeys = v.strictObject({ data: v.array(keyResource) });

/** What is shown of the key string: nothing or the prefix where the caller gives no hint. */
export const shownOfImport = ({ prefix = '', hint = `${prefix}...` }: Pick<WantedImport, 'prefix' | 'hint'>) => ({
  prefix,
  hint,
});

/** The resource of a key that was just imported. The object returns only what the caller does not know yet. */
export function toImportedResource(tenantId: string, wanted: WantedImport, imported: ImportedKey): KeyResource {
  const { hash: _hash, hint: _hint, createdAt: _createdAt, credits, ...rest } = wanted;
  return toKeyResource(tenantId, {
    ...rest,
    ...imported,
    lastFour: '',
    ...shownOfImport(wanted),
    version: 1,
    credits: credits && firstCredits(credits.remaining, credits.refill, imported.updatedAt),
    status: wanted.enabled ? 'active' : 'disabled',
    ...UNTOUCHED,
  });
}
