/**
 * The configuration from the environment, checked as a whole. A problem names the variable and a reason, and
 * never holds a part of the value. The functions are pure, so the self-hosted launcher checks by the same
 * rules before it starts.
 */
import { LOG_LEVELS, type LogLevel } from '../../durable-objects/log.ts';
import { type Keyring, parseKeyring, sameSecret } from '../crypto/keyring.ts';

export type ConfigVariables = {
  readonly ADMIN_TOKEN?: string | undefined;
  readonly ENCRYPTION_KEY?: string | undefined;
  readonly HMAC_SECRET?: string | undefined;
  readonly LOG_LEVEL?: string | undefined;
  readonly DOCS?: string | undefined;
};

export type Config = {
  /** null when the variable is not set. Then only callers with management keys can authenticate. */
  readonly adminToken: string | null;
  readonly encryption: Keyring;
  readonly hmac: Keyring;
  readonly logLevel: LogLevel;
  /** Whether the description of the API is shown as a page. */
  readonly hasDocs: boolean;
};

export type ConfigProblem = { readonly variable: keyof ConfigVariables; readonly reason: string };

const ADMIN_TOKEN_LENGTH_MIN = 32;
export const ADMIN_TOKEN_LENGTH_MAX = 256;
const DIFFERENT_CHARACTERS_MIN = 10;
const PLACEHOLDER =
  /change.?me|placeholder|password|your.?(?:admin|token|secret)|example|insert.?here|replace.?(?:me|this)/i;

/** The configuration, or all its problems. */
export function parseConfig(variables: ConfigVariables): Config | ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const keyring = (variable: 'ENCRYPTION_KEY' | 'HMAC_SECRET'): Keyring | null => {
    const parsed = variables[variable] ? parseKeyring(variables[variable]) : 'is not set';
    if (typeof parsed !== 'string') return parsed;
    problems.push({ variable, reason: parsed });
    return null;
  };
  const adminProblem = adminTokenProblem(variables.ADMIN_TOKEN);
  if (adminProblem !== null) problems.push({ variable: 'ADMIN_TOKEN', reason: adminProblem });
  for (const ring of ['ENCRYPTION_KEY', 'HMAC_SECRET'] as const) {
    if (variables.ADMIN_TOKEN && variables[ring]?.includes(variables.ADMIN_TOKEN)) {
      problems.push({ variable: 'ADMIN_TOKEN', reason: `stands in ${ring} too` });
    }
  }
  const encryption = keyring('ENCRYPTION_KEY');
  const hmac = keyring('HMAC_SECRET');
  if (encryption !== null && hmac !== null && shareASecret(encryption, hmac)) {
    problems.push({ variable: 'HMAC_SECRET', reason: 'has a secret that ENCRYPTION_KEY has too' });
  }
  const logLevel = LOG_LEVELS.find((level) => level === (variables.LOG_LEVEL || 'info'));
  if (logLevel === undefined) {
    problems.push({ variable: 'LOG_LEVEL', reason: `is not one of ${LOG_LEVELS.join(', ')}` });
  }
  const docs = variables.DOCS || 'on';
  if (docs !== 'on' && docs !== 'off') problems.push({ variable: 'DOCS', reason: 'is not one of on, off' });
  if (problems.length > 0 || encryption === null || hmac === null || logLevel === undefined) return problems;
  return { adminToken: variables.ADMIN_TOKEN || null, encryption, hmac, logLevel, hasDocs: docs === 'on' };
}

function adminTokenProblem(token: string | undefined): string | null {
  if (!token) return null;
  if (token.length < ADMIN_TOKEN_LENGTH_MIN) return `is shorter than ${ADMIN_TOKEN_LENGTH_MIN} characters`;
  if (token.length > ADMIN_TOKEN_LENGTH_MAX) return `is longer than ${ADMIN_TOKEN_LENGTH_MAX} characters`;
  if (!/^[\x21-\x7e]+$/.test(token)) return 'has characters other than visible ASCII';
  if (new Set(token).size < DIFFERENT_CHARACTERS_MIN) return 'is not random (repeated characters)';
  return PLACEHOLDER.test(token) ? 'is a placeholder' : null;
}

/** Whether two keyrings have a secret in common. Each secret must serve one purpose only. */
function shareASecret(a: Keyring, b: Keyring): boolean {
  return [...a.entries.values()].some((one) => [...b.entries.values()].some((other) => sameSecret(one, other)));
}
