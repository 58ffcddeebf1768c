/**
 * The one error of the client. Decide by `code`. It never holds the token, a key string, the request or the answer
 * itself, so it may be logged as it is.
 */

import type { ProblemCode } from '../api/types.ts';

/** A problem as Keystead answers it (RFC 9457), with the members that some problems have. */
export interface ProblemMembers {
  /** For people: what the code means. */
  readonly title?: string;
  /** For people: more about this case. */
  readonly detail?: string;
  /** The permission that the caller lacks; of `forbidden`. */
  readonly permission?: string;
  /** What is wrong with the request; of `validation_failed`. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  /** The keys that do not exist; of `keys_not_found`. */
  readonly ids?: readonly string[];
  /** The keys of the request whose hash is there already, up to 100, by their places in it; of `hash_exists`. */
  readonly duplicates?: readonly { readonly index: number; readonly keyId?: string }[];
  /** The status of the key; of `key_not_active` and `key_not_rotating`. */
  readonly keyStatus?: string;
  /** The successor of the key; of `key_already_rotating`. */
  readonly replacedBy?: string;
}

const MEMBERS = ['title', 'detail', 'permission', 'errors', 'ids', 'duplicates', 'keyStatus', 'replacedBy'] as const;

/** What the client itself finds wrong, beside the codes of problems. */
export type ClientErrorCode =
  /** No answer came, or not all of it. */
  | 'network'
  /** No answer came in time. */
  | 'timeout'
  /** The `signal` of the call was aborted. */
  | 'aborted'
  /** What answered is not Keystead, or stands before it: a proxy's page, a redirect, or too large an answer. */
  | 'unexpected_answer';

export interface KeysteadErrorDetails extends ProblemMembers {
  readonly status?: number;
  readonly requestId?: string | null;
  readonly retryAfterMs?: number | null;
}

/** A code of a problem or of the client. Later versions may add some, hence any other text. */
export type ErrorCode = ProblemCode | ClientErrorCode | (string & {});

export interface KeysteadError extends ProblemMembers {}

// biome-ignore lint/suspicious/noUnsafeDeclarationMerging: the members of a problem are optional, and set from a list
export class KeysteadError extends Error {
  /** A code of docs/api.md, such as `key_not_found`, or `network`, `timeout`, `aborted`, `unexpected_answer`. */
  readonly code: ErrorCode;
  /** The HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Finds the request in Keystead's log; null when no answer came. */
  readonly requestId: string | null;
  /** In how many milliseconds to try again; null when the answer does not say. */
  readonly retryAfterMs: number | null;

  constructor(code: ErrorCode, message: string, details: KeysteadErrorDetails = {}) {
    super(message);
    this.code = code;
    this.status = details.status ?? 0;
    this.requestId = details.requestId ?? null;
    this.retryAfterMs = details.retryAfterMs ?? null;
    for (const name of MEMBERS) if (details[name] !== undefined) Object.assign(this, { [name]: details[name] });
  }
}

// On the prototype, where `util.inspect` and loggers look for it. A minifier does not change it there.
Object.defineProperty(KeysteadError.prototype, 'name', { value: 'KeysteadError', configurable: true });
