/** `keystead login`, `logout` and `profiles`: the stored connections. */
import { KeysteadError } from '../../http/errors.ts';
import { OPERATIONS } from '../api/operations.ts';
import { faultOf } from '../arguments/schema.ts';
import { EXIT, UsageError, unusable } from '../exit.ts';
import { Table } from '../output/table.ts';
import { jsonText } from '../output/text.ts';
import { openTransport, profileName } from '../profile/connection.ts';
import { DEFAULT_PROFILE, profilesPath, readProfiles, writeProfiles } from '../profile/profiles.ts';
import { type Command, type Run, textOf } from './command.ts';
import { readSecret } from './stdin.ts';

export const PROFILE_COMMANDS: readonly Command[] = [
  {
    words: ['login'],
    summary: 'Stores where Keystead is and the token for it in a profile',
    description:
      'Asks for the URL and, without showing it, for the token: the admin token or the key string of a management ' +
      'key. Without a terminal, --url names the URL, and the token comes by stdin.',
    positionals: [],
    flags: [],
    takesTenant: false,
    examples: [
      'keystead login',
      'keystead login --profile staging --url https://keys.example.com --tenant acme < token.txt',
    ],
    run: login,
  },
  {
    words: ['logout'],
    summary: 'Removes a profile with its token',
    positionals: [],
    flags: [],
    takesTenant: false,
    examples: ['keystead logout --profile staging'],
    run: logout,
  },
  {
    words: ['profiles'],
    aliases: [['profiles', 'list']],
    summary: 'Lists the profiles, without their tokens',
    positionals: [],
    flags: [],
    takesTenant: false,
    examples: ['keystead profiles'],
    run: list,
  },
];

const nameOf = (run: Run): string =>
  profileName(textOf(run, 'profile') ?? (run.io.env.KEYSTEAD_PROFILE || DEFAULT_PROFILE));

async function login(run: Run): Promise<number> {
  const { io, printer } = run;
  const name = nameOf(run);
  const before = readProfiles(io);
  let url = textOf(run, 'url') ?? (io.env.KEYSTEAD_URL || undefined);
  if (url === undefined) {
    if (!io.stdin.isTTY) throw new UsageError('Say --url URL: nobody can be asked for it');
    url = (await io.stdin.ask('URL of Keystead: ', { hidden: false })).trim();
  }
  const tenant = textOf(run, 'tenant');
  const tenantSchema = OPERATIONS.find(({ id }) => id === 'tenants.get')?.parts[0]?.schema ?? {};
  const fault = tenant === undefined ? null : faultOf(tenantSchema, tenant);
  if (fault !== null) throw new UsageError(`--tenant ${fault.message}`);
  // Checks the URL before anybody types a token for it.
  openTransport({ url, token: 'x', fetch: io.fetch });
  const token = (await readSecret('Token: ', io.stdin)).trim();
  if (token === '') throw unusable('There is no token. Nothing was stored');
  const transport = openTransport({ url, token, fetch: io.fetch });
  try {
    await transport.request({ method: 'GET', path: '/v1/tenants', query: { limit: 1 }, signal: io.signal });
  } catch (error) {
    // Every caller that is known is told what it may not do; only a token that is not known is refused as such.
    if (!(error instanceof KeysteadError) || error.code !== 'forbidden') throw error;
  }
  writeProfiles(io, { ...before, [name]: { url: transport.url, token, ...(tenant === undefined ? {} : { tenant }) } });
  await printer.hint(`Profile ${name} is for ${transport.url}. It is in ${profilesPath(io)}.`);
  const { protocol, hostname } = new URL(transport.url);
  if (protocol === 'http:' && !/^(?:localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) {
    await printer.warn('This URL has no TLS: who is on the way can read the token.');
  }
  return EXIT.ok;
}

async function logout(run: Run): Promise<number> {
  const name = nameOf(run);
  const { [name]: removed, ...others } = readProfiles(run.io);
  if (removed === undefined) throw unusable(`There is no profile ${name}`);
  writeProfiles(run.io, others);
  await run.printer.hint(`Profile ${name} is removed. Its token still works until it is revoked.`);
  return EXIT.ok;
}

async function list({ io, printer }: Run): Promise<number> {
  const profiles = Object.entries(readProfiles(io)).map(([name, { url, tenant = null }]) => ({ name, url, tenant }));
  if (printer.json) await printer.out(profiles.map((profile) => `${jsonText(profile)}\n`).join(''));
  else if (profiles.length === 0) await printer.hint('There are none. Make one with: keystead login');
  else await printer.out(new Table(['name', 'url', 'tenant'], io.stdout.isTTY, printer.bold).lines(profiles));
  return EXIT.ok;
}
