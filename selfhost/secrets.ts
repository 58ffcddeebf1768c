/**
 * The three secrets of a deployment. Each comes from the environment, else from DATA_DIR/secrets.json, else it is
 * generated and stored there. A secret from the environment takes precedence and is never written down, so that
 * operators who keep secrets elsewhere have no copy here.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { type ConfigVariables, parseConfig } from '../src/config/config.ts';
import { SECRET_BYTES_MIN } from '../src/crypto/keyring.ts';
import type { DataDirectory } from './data-directory.ts';
import { writePrivateFile } from './private-file.ts';
import { errorCode, StartupError } from './startup-error.ts';

export const SECRET_NAMES = ['ADMIN_TOKEN', 'ENCRYPTION_KEY', 'HMAC_SECRET'] as const;
export type SecretName = (typeof SECRET_NAMES)[number];

export type Secrets = {
  readonly values: Readonly<Record<SecretName, string>>;
  readonly origins: Readonly<Record<SecretName, 'environment' | 'stored' | 'generated'>>;
  /** Lowest level that is logged; undefined for the default. */
  readonly logLevel: string | undefined;
  /** Whether the reference page is shown; undefined for the default. */
  readonly docs: string | undefined;
  /** Writes down the generated secrets. Must be called before anything is encrypted or signed with them. */
  readonly store: () => void;
};

/** Value of ADMIN_TOKEN that leaves it unset, for deployments whose callers all have management keys. */
const NO_ADMIN_TOKEN = 'none';

/** 256 bits, in 43 characters that need no quoting in a shell or a header. */
const TOKEN_BYTES = 32;

const GENERATE: Readonly<Record<SecretName, () => string>> = {
  ADMIN_TOKEN: () => `kst_${randomBytes(TOKEN_BYTES).toString('base64url')}`,
  ENCRYPTION_KEY: newKeyring,
  HMAC_SECRET: newKeyring,
};

function newKeyring(): string {
  return `1:${randomBytes(SECRET_BYTES_MIN).toString('base64')}`;
}

/** Collects the secrets and checks them by the Worker's own rules. Writes nothing. */
export function loadSecrets(env: NodeJS.ProcessEnv, directory: DataDirectory): Secrets {
  const path = directory.secretsPath;
  const stored = readStored(path);
  const choose = (name: SecretName) => chooseSecret(name, env[name] || undefined, stored[name], directory);
  const [token, encryption, hmac] = [choose('ADMIN_TOKEN'), choose('ENCRYPTION_KEY'), choose('HMAC_SECRET')];
  const values = { ADMIN_TOKEN: token.value, ENCRYPTION_KEY: encryption.value, HMAC_SECRET: hmac.value };
  const origins = { ADMIN_TOKEN: token.origin, ENCRYPTION_KEY: encryption.origin, HMAC_SECRET: hmac.origin };
  const config = parseConfig({ ...values, LOG_LEVEL: env.LOG_LEVEL, DOCS: env.DOCS });
  if (Array.isArray(config)) {
    const where = (name: keyof ConfigVariables) => {
      return name !== 'LOG_LEVEL' && name !== 'DOCS' && origins[name] === 'stored' ? ` in ${path}` : '';
    };
    const problems = config.map(({ variable, reason }) => `${variable}${where(variable)} ${reason}`);
    throw new StartupError(problems.join('; '));
  }
  const store = () => {
    const generated = SECRET_NAMES.filter((name) => origins[name] === 'generated');
    if (generated.length === 0) return;
    const kept = { ...stored, ...Object.fromEntries(generated.map((name) => [name, values[name]])) };
    writePrivateFile(path, `${JSON.stringify(kept, null, 2)}\n`);
  };
  return { values, origins, logLevel: env.LOG_LEVEL || undefined, docs: env.DOCS || undefined, store };
}

function chooseSecret(name: SecretName, given: string | undefined, kept: string | undefined, directory: DataDirectory) {
  if (name === 'ADMIN_TOKEN' && given === NO_ADMIN_TOKEN) return { value: '', origin: 'environment' } as const;
  if (given !== undefined) return { value: given, origin: 'environment' } as const;
  if (kept !== undefined) return { value: kept, origin: 'stored' } as const;
  // With a new secret, every key issued so far would be refused as forged. Only the operator can decide that.
  if (name !== 'ADMIN_TOKEN' && directory.hasData()) {
    const { path, secretsPath } = directory;
    const missing = `${name} is neither set nor in ${secretsPath}`;
    throw new StartupError(`DATA_DIR ${path} has data, but ${missing}: set the one the data was written with`);
  }
  return { value: GENERATE[name](), origin: 'generated' } as const;
}

function readStored(path: string): ConfigVariables {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
    chmodSync(path, 0o600);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return {};
    throw new StartupError(`${path} cannot be read (${errorCode(error) ?? 'unknown error'})`);
  }
  const stored = parseObject(text);
  const entries = SECRET_NAMES.flatMap((name) => {
    const value: unknown = stored === null ? undefined : Reflect.get(stored, name);
    return typeof value === 'string' && value !== '' ? [[name, value]] : [];
  });
  if (stored === null || entries.length !== Object.keys(stored).length) {
    // The JSON parser's own message would quote the file.
    throw new StartupError(`${path} is damaged: it must be a JSON object of ${SECRET_NAMES.join(', ')}`);
  }
  return Object.fromEntries(entries);
}

function parseObject(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
