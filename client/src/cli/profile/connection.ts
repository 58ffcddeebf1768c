/** Where requests go, with which token, for which tenant: from flags, the environment and the profile. */
import type { FetchLike } from '../../http/platform.ts';
import { HttpTransport, type Transport } from '../../http/transport.ts';
import { durationSeconds } from '../arguments/values.ts';
import { UsageError, unusable } from '../exit.ts';
import type { Io } from '../io.ts';
import { printable } from '../output/text.ts';
import { DEFAULT_PROFILE, PROFILE_NAME, type Profile, readProfiles } from './profiles.ts';

/** The flags that choose a connection. */
export type Choice = {
  readonly url?: string | undefined;
  readonly profile?: string | undefined;
  readonly tenant?: string | undefined;
  readonly timeout?: string | undefined;
  readonly verbose: boolean;
};

export class Connection {
  readonly #io: Io;
  readonly #choice: Choice;
  #profile: Profile | null | undefined;
  #transport: Transport | undefined;

  constructor(io: Io, choice: Choice) {
    this.#io = io;
    this.#choice = choice;
  }

  /** The tenant that was named with this run, or else the one of the environment or the profile. */
  get tenant(): string | undefined {
    return this.#choice.tenant ?? this.#variable('KEYSTEAD_TENANT') ?? this.#stored()?.tenant;
  }

  /** Throws a UsageError when there is no URL or no token. */
  get transport(): Transport {
    this.#transport ??= this.#open();
    return this.#transport;
  }

  /** The URL, for what a journal is bound to. */
  get url(): string {
    const url = this.#choice.url ?? this.#variable('KEYSTEAD_URL') ?? this.#stored()?.url;
    if (url === undefined) throw unusable('There is no URL. Run `keystead login`, or set KEYSTEAD_URL');
    return url.replace(/\/+$/, '');
  }

  /** A variable that is set. Who names a profile means all of it, whatever the environment has. */
  #variable(name: string): string | undefined {
    return this.#choice.profile === undefined ? this.#io.env[name] || undefined : undefined;
  }

  #open(): Transport {
    const { url } = this;
    const token = this.#variable('KEYSTEAD_TOKEN') ?? this.#storedToken(url);
    const timeoutMs = timeoutOf(this.#choice.timeout);
    const fetch = this.#choice.verbose ? reporting(this.#io) : this.#io.fetch;
    return openTransport({ url, token, fetch, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  #storedToken(url: string): string {
    const stored = this.#stored();
    if (stored === null) throw unusable('There is no token. Run `keystead login`, or set KEYSTEAD_TOKEN');
    // A URL from elsewhere must not be able to collect tokens.
    if (stored.url.replace(/\/+$/, '') !== url) {
      throw unusable(
        'The token of the profile is for another URL. Set KEYSTEAD_TOKEN, or make a profile for it: ' +
          'keystead login --profile NAME',
      );
    }
    return stored.token;
  }

  /** The profile; null when none was asked for by name and there is no default. */
  #stored(): Profile | null {
    if (this.#profile === undefined) {
      const asked = this.#choice.profile ?? this.#variable('KEYSTEAD_PROFILE');
      const name = profileName(asked ?? DEFAULT_PROFILE);
      const profiles = readProfiles(this.#io);
      const found = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
      if (found === undefined && asked !== undefined) {
        throw unusable(`There is no profile ${name}. Make it with: keystead login --profile ${name}`);
      }
      this.#profile = found ?? null;
    }
    return this.#profile;
  }
}

export function profileName(name: string): string {
  if (PROFILE_NAME.test(name)) return name;
  throw new UsageError('The name of a profile has 1 to 50 letters, digits, dots, _ and -');
}

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = durationSeconds(text);
  if (seconds === null || seconds === 0) throw new UsageError('--timeout must be a duration like 30s');
  return seconds * 1000;
}

/** The transport. What it finds wrong with the URL or the token is a mistake of the user here. */
export function openTransport(options: {
  readonly url: string;
  readonly token: string;
  readonly fetch: FetchLike;
  readonly timeoutMs?: number;
}): HttpTransport {
  try {
    return new HttpTransport(options);
  } catch (error) {
    throw unusable((error as Error).message.replace(/^keystead: /, ''));
  }
}

/** A fetch that says on stderr what it does: method, path and status. No header and no body, which hold secrets. */
function reporting(io: Io): FetchLike {
  return async (url, init) => {
    const { pathname, search } = new URL(url);
    const startedAt = io.now();
    await io.stderr.write(`${printable(`> ${init.method} ${pathname}${search}`)}\n`);
    try {
      const response = await io.fetch(url, init);
      const id = response.headers.get('x-request-id');
      const request = id === null ? '' : `, request ${printable(id)}`;
      await io.stderr.write(`< ${response.status} after ${io.now() - startedAt} ms${request}\n`);
      return response;
    } catch (error) {
      await io.stderr.write(`< no answer after ${io.now() - startedAt} ms\n`);
      throw error;
    }
  };
}
