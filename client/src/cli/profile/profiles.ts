/**
 * Profiles: where Keystead is and the token for it, by name, in a file that only its owner may read. A token is sent
 * only to the URL that it was stored with.
 */
import {
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { unusable } from '../exit.ts';
import type { Io } from '../io.ts';

export type Profile = { readonly url: string; readonly token: string; readonly tenant?: string };
export type Profiles = Readonly<Record<string, Profile>>;

const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
const MAX_FILE_BYTES = 1024 * 1024;
export const DEFAULT_PROFILE = 'default';
export const PROFILE_NAME = /^[A-Za-z0-9_.-]{1,50}$/;

type Place = Pick<Io, 'env' | 'home' | 'platform'>;

/** `$XDG_CONFIG_HOME/keystead/profiles.json`, by default in `~/.config`. The specification ignores relative paths. */
export function profilesPath({ env, home }: Place): string {
  const { XDG_CONFIG_HOME: configured = '' } = env;
  return join(configured.startsWith('/') ? configured : join(home, '.config'), 'keystead', 'profiles.json');
}

/** All profiles; none when there is no file. Refuses a file that others could have read or written. */
export function readProfiles(place: Place): Profiles {
  const path = profilesPath(place);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw unusable(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    // Of the file that is open, so that nobody can exchange it in between.
    const { mode, uid, size } = fstatSync(file);
    // Windows has no such modes: the folder of a user is closed to others there.
    if (place.platform !== 'win32') {
      if ((mode & 0o077) !== 0) throw unusable(`Others can read ${path}. Close it with: chmod 600 ${path}`);
      if (process.getuid !== undefined && uid !== process.getuid()) throw unusable(`${path} belongs to somebody else`);
    }
    if (size > MAX_FILE_BYTES) throw unusable(`${path} is too large for a file of profiles`);
    return checked(readFileSync(file, 'utf8'), path);
  } finally {
    closeSync(file);
  }
}

function checked(text: string, path: string): Profiles {
  const invalid = unusable(`${path} is not a file of profiles. Remove it, and run: keystead login`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The error of JSON.parse repeats a part of the text.
    throw invalid;
  }
  const { profiles } = Object(value) as { readonly profiles?: unknown };
  if (typeof profiles !== 'object' || profiles === null) throw invalid;
  for (const [name, profile] of Object.entries(profiles)) {
    const { url, token, tenant = '' } = Object(profile) as Partial<Record<keyof Profile, unknown>>;
    const isProfile = typeof url === 'string' && typeof token === 'string' && typeof tenant === 'string';
    if (!isProfile || !PROFILE_NAME.test(name)) throw invalid;
  }
  return profiles as Profiles;
}

/** Writes all profiles, as a whole: after a crash the file has the old ones or the new ones. */
export function writeProfiles(place: Place, profiles: Profiles): void {
  const path = profilesPath(place);
  const temporary = `${path}.${process.pid}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: FOLDER_MODE });
    rmSync(temporary, { force: true });
    const file = openSync(temporary, 'wx', FILE_MODE);
    try {
      writeFileSync(file, `${JSON.stringify({ profiles }, null, 2)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    throw unusable(`${path} cannot be written: ${(error as NodeJS.ErrnoException).code}`);
  }
}
