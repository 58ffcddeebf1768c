/** Headers of responses in which operations say something. Their values come from `run`. */

/** What a header says, as the description has it. */
type Meaning = {
  readonly description: string;
  /** Whether each success has it. */
  readonly isAlways: boolean;
  /** A regular expression for its values, undefined for any text. */
  readonly pattern?: string;
};

export const RESPONSE_HEADERS = {
  'X-Keystead-Key': { description: 'The id of the key.', isAlways: true, pattern: '^key_[0-9A-Za-z]{17}$' },
  'X-Keystead-Tenant': { description: 'The tenant of the key.', isAlways: true, pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' },
  'X-Keystead-Owner': {
    description: 'The owner of the key, percent-encoded. Empty when it has none.',
    isAlways: true,
    pattern: "^(?:[A-Za-z0-9_.!~*'()-]|%[0-9A-F]{2})*$",
  },
  'X-Keystead-Scopes': {
    description: 'The scopes of the key, with commas between. Empty when it has none.',
    isAlways: true,
    pattern: '^[A-Za-z0-9_./:*,-]*$',
  },
  Deprecation: {
    description: 'When the key was rotated (RFC 9745): it is in its grace period.',
    isAlways: false,
    pattern: '^@\\d+$',
  },
  Sunset: { description: 'When the key ends, if that is soon (RFC 8594).', isAlways: false, pattern: ' GMT$' },
  RateLimit: {
    description: 'What is left of each limit that applied (`r`), and in how many seconds all of it is (`t`).',
    isAlways: false,
  },
  'RateLimit-Policy': { description: 'How much each limit that applied allows (`q`).', isAlways: false },
} as const satisfies Readonly<Record<string, Meaning>>;

export type ResponseHeader = keyof typeof RESPONSE_HEADERS;
