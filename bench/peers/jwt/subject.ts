/**
 * Libraries that verify JWTs, each in a process of its own: `node subject.ts <library> <tokens>`. The tokens are signed
 * with HS256, have the claims that the record of a key has, and do not expire while the benchmark runs. Each library
 * gets its secret in the form that it need not convert again, and a cache, if it has one, that holds all tokens.
 */
import { createHmac, createSecretKey, randomBytes, webcrypto } from 'node:crypto';
import { createVerifier } from 'fast-jwt';
import { jwtVerify } from 'jose';
import jsonwebtoken from 'jsonwebtoken';
import { serveTurns, type VerifySome } from '../../client/subject.ts';

const [library = '', count = '0'] = process.argv.slice(2);
const secret = randomBytes(32);
const keyObject = createSecretKey(secret);
const hmac = { name: 'HMAC', hash: 'SHA-256' };
const cryptoKey = await webcrypto.subtle.importKey('raw', secret, hmac, false, ['verify']);
const tokens = Array.from({ length: Number(count) }, (_, i) => signed(claimsOf(i)));

const algorithms = ['HS256'];
const cached = { key: secret, algorithms, cache: tokens.length * 2 };
/** The library calls that faster and advises against it: the tokens stay in memory. */
const byToken = { cacheKeyBuilder: (token: string) => token };

/** The subject of a verified token. All of them throw when a token is not valid. */
const LIBRARIES: Readonly<Record<string, () => VerifySome>> = {
  jose: () => byJose,
  jsonwebtoken: () => each((token) => jsonwebtoken.verify(token, keyObject, { algorithms: ['HS256'] }).sub),
  'fast-jwt': () => byFastJwt(createVerifier(cached)),
  'fast-jwt by token': () => byFastJwt(createVerifier({ ...cached, ...byToken })),
};

const verify = LIBRARIES[library];
if (verify === undefined) throw new Error(`there is no library ${library}`);
serveTurns([{ name: library, tokens: tokens.length, verify: verify() }]);

function byFastJwt(verifier: (token: string) => { readonly sub: string }): VerifySome {
  return each((token) => verifier(token).sub);
}

function each(verify: (token: string) => unknown): VerifySome {
  return (first, end) => {
    let wrong = 0;
    for (let i = first; i < end; i++) if (verify(tokens[i] ?? '') !== `key-${i}`) wrong += 1;
    return wrong;
  };
}

async function byJose(first: number, end: number): Promise<number> {
  let wrong = 0;
  for (let i = first; i < end; i++) {
    const { payload } = await jwtVerify(tokens[i] ?? '', cryptoKey, { algorithms });
    if (payload.sub !== `key-${i}`) wrong += 1;
  }
  return wrong;
}

function claimsOf(i: number): object {
  const now = Math.floor(Date.now() / 1000);
  const record = {
    tenant: 'bench',
    name: `Key ${i}`,
    owner: `owner-${i}`,
    scopes: ['invoices:read', 'invoices:write'],
  };
  return { sub: `key-${i}`, iat: now, exp: now + 24 * 3600, ...record };
}

function signed(claims: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}
