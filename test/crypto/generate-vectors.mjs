/**
 * Writes the vector files of test/key-string and of this folder. It shares no code with the program: it follows the
 * byte layouts in the head comments of domain/key-string/key-string.ts and src/crypto/envelope.ts with Node's crypto
 * and BigInt arithmetic, so the vectors check both independently. Its output is deterministic: each run writes the same
 * files. New vectors are appended. A released vector never changes, because keys and envelopes like it are in use.
 *
 *   node test/crypto/generate-vectors.mjs
 */
import { createCipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Bytes that look random and are always the same. */
const fixed = (label, length) => Buffer.from(hkdfSync('sha256', `keystead vectors: ${label}`, '', '', length));
const hkdf = (secret, info) => Buffer.from(hkdfSync('sha256', secret, '', info, 32));
const ring = (...pairs) => pairs.map(([id, secret]) => `${id}:${secret.toString('base64')}`).join(',');

function base62(value, length) {
  let text = '';
  for (let rest = BigInt(value); text.length < length; rest /= 62n) text = DIGITS[Number(rest % 62n)] + text;
  return text;
}
const base62OfBytes = (bytes, length) => base62(`0x${bytes.toString('hex')}`, length);

// ---- key strings ----

const HMAC = new Map([
  [1, fixed('HMAC_SECRET entry 1', 32)],
  [200, fixed('HMAC_SECRET entry 200', 48)],
]);
const FOREIGN_HMAC = fixed('HMAC_SECRET of another deployment', 32);

const locatorOf = (tenantId) => createHash('sha256').update(`keystead/tenant/${tenantId}`).digest().subarray(0, 16);

function signedBytes({ version = 1, entry = 1, jurisdiction = 0, shard = 0, tenantId = 'acme', label = 'key' }) {
  const birth = Buffer.alloc(6);
  birth.writeUIntBE(Date.UTC(2026, 0, 31, 12), 0, 6);
  const head = Buffer.from([version, entry, jurisdiction, shard]);
  return Buffer.concat([head, locatorOf(tenantId), birth, fixed(`${label} entropy`, 26)]);
}

function macOf(secret, prefix, signed) {
  const message = Buffer.concat([Buffer.from(prefix), Buffer.from([0]), signed]);
  return createHmac('sha256', hkdf(secret, 'keystead/key-signature/v1')).update(message).digest();
}

/**
 * The checksum covers the low byte of each character, so that a text that is not ASCII is refused for that reason and
 * not for its checksum.
 */
const withCrc = (text) => text + base62(crc32(Buffer.from(text, 'latin1')), 6);
/**
 * Replaces the character at `at` with one outside ASCII that has the same low byte, which a checksum over bytes cannot
 * tell apart.
 */
const disguised = (text, at) =>
  text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) + 0x100) + text.slice(at + 1);

/** A key string with the prefix it shows and the prefix it was signed for. A genuine one has the same prefix twice. */
function keyString(parts = {}) {
  const { prefix = 'ks', signedPrefix = prefix, entry = 1, secret = HMAC.get(entry) ?? FOREIGN_HMAC } = parts;
  const signed = signedBytes(parts);
  const bytes = Buffer.concat([signed, macOf(secret, signedPrefix, signed).subarray(0, 12)]);
  return withCrc(`${prefix}_${base62OfBytes(bytes, 86)}`);
}

function genuine(name, parts) {
  const { prefix = 'ks', entry = 1, tenantId = 'acme' } = parts;
  const signed = signedBytes(parts);
  return {
    name,
    key: keyString(parts),
    prefix,
    signingKeyId: entry,
    tenantId,
    locator: locatorOf(tenantId).toString('hex'),
    id: `key_${base62OfBytes(signed.subarray(20, 32), 17)}`,
    digest: macOf(HMAC.get(entry), prefix, signed).subarray(12).toString('hex'),
  };
}

const good = keyString();
const body = good.slice(3);
const digits = body.slice(0, 86);
/** Replaces one character of the key string with the next base62 digit. */
const bumped = (text, at) => text.slice(0, at) + DIGITS[(DIGITS.indexOf(text[at]) + 1) % 62] + text.slice(at + 1);
const malformed = (name, key) => ({ name, failure: 'MALFORMED', key });
const forged = (name, key) => ({ name, failure: 'FORGED', key });

const keyStrings = {
  how: 'Written by generate-vectors.mjs, which shares no code with the program. Do not edit; append there.',
  hmacSecret: ring(...HMAC),
  genuine: [
    genuine('the default prefix', {}),
    genuine('a prefix with an underscore', { prefix: 'acme_live', label: 'underscore' }),
    genuine('a prefix of 24 characters with many underscores', {
      prefix: 'a_b_c_d_e_f_g_h_i_j_k_lm',
      label: 'longest',
    }),
    genuine('a prefix of one character', { prefix: 'k', label: 'shortest' }),
    genuine('another tenant, the same entropy', { tenantId: 'globex' }),
    genuine('an older keyring entry', { entry: 200, label: 'entry 200' }),
  ],
  refused: [
    malformed('empty', ''),
    malformed('a word', 'hello'),
    malformed('the body alone', body),
    malformed('the body with an underscore and no prefix', `_${body}`),
    malformed('prefix and underscore alone', 'ks_'),
    malformed('a character of the prefix changed', `kt_${body}`),
    malformed('a character of the body changed', bumped(good, 40)),
    malformed('the last character changed', bumped(good, good.length - 1)),
    malformed('two characters of the body swapped', `${good.slice(0, 20)}${good[21]}${good[20]}${good.slice(22)}`),
    malformed('the checksum of another key', good.slice(0, -6) + keyString({ label: 'underscore' }).slice(-6)),
    malformed('a checksum that does not fit 32 bits', `${good.slice(0, -6)}zzzzzz`),
    malformed('a foreign character in the body', withCrc(`ks_${digits.slice(0, 50)}-${digits.slice(51)}`)),
    malformed('an underscore in the body', withCrc(`ks_${digits.slice(0, 50)}_${digits.slice(51)}`)),
    malformed('a letter beyond ASCII in the body', withCrc(`ks_${digits.slice(0, 50)}é${digits.slice(51)}`)),
    malformed('a character of the body beyond ASCII with the same low byte', disguised(good, 40)),
    malformed('a character of the checksum beyond ASCII with the same low byte', disguised(good, good.length - 1)),
    malformed('a character of the prefix beyond ASCII with the same low byte', disguised(good, 1)),
    malformed('one digit too few', withCrc(`ks_${digits.slice(0, 85)}`)),
    malformed('one digit too many', withCrc(`ks_${digits}0`)),
    malformed('one leading zero more', withCrc(`ks_0${digits}`)),
    malformed('a number that does not fit 64 bytes', withCrc(`ks_${base62(2n ** 512n, 86)}`)),
    malformed('the largest number that 86 digits say', withCrc(`ks_${'z'.repeat(86)}`)),
    malformed('format version 0', keyString({ version: 0 })),
    malformed('format version 2, well signed', keyString({ version: 2 })),
    malformed('a jurisdiction, well signed', keyString({ jurisdiction: 1 })),
    malformed('a shard, well signed', keyString({ shard: 1 })),
    malformed('a prefix of 25 characters, well signed', keyString({ prefix: 'a'.repeat(25) })),
    malformed('a double underscore in the prefix, well signed', keyString({ prefix: 'acme__live' })),
    malformed('a trailing underscore in the prefix, well signed', keyString({ prefix: 'acme_' })),
    malformed('a leading underscore in the prefix, well signed', keyString({ prefix: '_acme' })),
    malformed('a leading digit in the prefix, well signed', keyString({ prefix: '1ks' })),
    malformed('an upper-case prefix, well signed', keyString({ prefix: 'KS' })),
    malformed('a hyphen in the prefix, well signed', keyString({ prefix: 'acme-live' })),
    malformed('a prefix beyond ASCII', withCrc(`kß_${digits}`)),
    malformed('a trailing newline', `${good}\n`),
    malformed('a trailing space', `${good} `),
    malformed('a leading space', ` ${good}`),
    malformed('a byte order mark in front', `\ufeff${good}`),
    malformed('a NUL at the end', `${good}\0`),
    malformed('upper-cased as a whole', good.toUpperCase()),
    malformed('twice', good + good),
    forged('the signature changed, checksum recomputed', withCrc(bumped(good, 3 + 85).slice(0, -6))),
    forged('the random part changed, checksum recomputed', withCrc(bumped(good, 3 + 60).slice(0, -6))),
    forged('another prefix, checksum recomputed', keyString({ prefix: 'kt', signedPrefix: 'ks' })),
    forged('a longer prefix, checksum recomputed', keyString({ prefix: 'ks_live', signedPrefix: 'ks' })),
    forged('the HMAC secret of another deployment', keyString({ secret: FOREIGN_HMAC })),
    forged('another entry of the keyring claimed', keyString({ entry: 200, secret: HMAC.get(1) })),
    forged('an entry that the keyring does not have', keyString({ entry: 2 })),
    forged('keyring entry 0', keyString({ entry: 0 })),
    forged(
      'a signature of zeros',
      withCrc(`ks_${base62OfBytes(Buffer.concat([signedBytes({}), Buffer.alloc(12)]), 86)}`),
    ),
  ],
};

// ---- envelopes ----

const AES = new Map([
  [2, fixed('ENCRYPTION_KEY entry 2', 32)],
  [1, fixed('ENCRYPTION_KEY entry 1', 64)],
]);
const FOREIGN_AES = fixed('ENCRYPTION_KEY of another deployment', 32);
const PLAINTEXT = fixed('plaintext', 64);
const HOME = { tenantId: 'acme', record: 'key_00ek6mBzpXq2vY9Ld', purpose: 'key' };

function envelope(parts = {}) {
  const {
    version = 1,
    entry = 2,
    context = HOME,
    plaintext = PLAINTEXT,
    secret = AES.get(entry) ?? FOREIGN_AES,
  } = parts;
  const header = Buffer.from([version, entry]);
  const nonce = fixed('nonce', 12);
  const bound = [context.purpose, context.tenantId, context.record].map((part) => Buffer.from(part));
  const cipher = createCipheriv('aes-256-gcm', hkdf(secret, `keystead/envelope/v1/${context.tenantId}`), nonce);
  cipher.setAAD(Buffer.concat([header, ...bound.flatMap((part) => [Buffer.from([part.length]), part])]));
  return Buffer.concat([header, nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

const flipped = (bytes, at) => Buffer.from(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)));
const opens = (name, parts = {}) => ({
  name,
  envelope: envelope(parts).toString('hex'),
  plaintext: (parts.plaintext ?? PLAINTEXT).toString('hex'),
});
const closed = (name, failure, bytes) => ({ name, failure, envelope: bytes.toString('hex') });
const whole = envelope();

const envelopes = {
  how: 'Written by generate-vectors.mjs, which shares no code with the program. Do not edit; append there.',
  encryptionKey: ring(...AES),
  context: HOME,
  opens: [
    opens('the current entry'),
    opens('an older entry', { entry: 1 }),
    opens('an empty plaintext', { plaintext: Buffer.alloc(0) }),
  ],
  refused: [
    closed('empty', 'malformed', Buffer.alloc(0)),
    closed('the header alone', 'malformed', whole.subarray(0, 2)),
    closed('one byte short of header, nonce and tag', 'malformed', whole.subarray(0, 29)),
    closed('the last byte missing', 'not_authentic', whole.subarray(0, -1)),
    closed('one byte more', 'not_authentic', Buffer.concat([whole, Buffer.from([0])])),
    closed('version 0', 'unsupported_version', envelope({ version: 0 })),
    closed('version 2', 'unsupported_version', envelope({ version: 2 })),
    closed('an entry that the keyring does not have', 'unknown_key', envelope({ entry: 3 })),
    closed('keyring entry 0', 'unknown_key', envelope({ entry: 0 })),
    closed('another entry of the keyring claimed', 'not_authentic', envelope({ entry: 1, secret: AES.get(2) })),
    closed('the encryption key of another deployment', 'not_authentic', envelope({ secret: FOREIGN_AES })),
    closed('a bit of the nonce flipped', 'not_authentic', flipped(whole, 2)),
    closed('a bit of the ciphertext flipped', 'not_authentic', flipped(whole, 14)),
    closed('a bit of the tag flipped', 'not_authentic', flipped(whole, whole.length - 1)),
    closed('sealed for another tenant', 'not_authentic', envelope({ context: { ...HOME, tenantId: 'globex' } })),
    closed(
      'sealed for another record',
      'not_authentic',
      envelope({ context: { ...HOME, record: 'key_00ek6mBzpXq2vY9Le' } }),
    ),
    closed('sealed for another purpose', 'not_authentic', envelope({ context: { ...HOME, purpose: 'webhook' } })),
  ],
};

for (const [name, vectors] of Object.entries({ '../key-string/key-string': keyStrings, envelope: envelopes })) {
  writeFileSync(`${import.meta.dirname}/${name}.vectors.json`, `${JSON.stringify(vectors, null, 2)}\n`);
}
