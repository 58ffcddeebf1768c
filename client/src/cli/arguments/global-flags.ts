/** The flags that every command has. */
import type { Flag } from './flags.ts';

const option = (name: string, takes: string | null, description: string): Flag => ({
  name,
  aliases: [],
  takes,
  repeatable: false,
  negated: undefined,
  description,
  target: { in: 'option', path: [name] },
  schema: {},
  read: (texts) => texts.at(-1),
});

/** A flag that a command handles itself. */
export const ownFlag = option;

export const TENANT_FLAG = option('tenant', 'ID', 'The tenant. Without it: KEYSTEAD_TENANT, or that of the profile.');

export const GLOBAL_FLAGS: readonly Flag[] = [
  TENANT_FLAG,
  option('profile', 'NAME', 'The profile to use. Without it: KEYSTEAD_PROFILE, or `default`.'),
  option('url', 'URL', 'Where Keystead is. Without it: KEYSTEAD_URL, or that of the profile.'),
  option('json', null, 'JSON for programs: one document, or one line for each item of a list.'),
  option('quiet', null, 'Only what was asked for: no hints and no progress.'),
  option('verbose', null, 'Says on stderr what is sent and how it is answered; never a secret.'),
  option('timeout', 'DURATION', 'How long an answer may take, 10s by default.'),
  option('help', null, 'Shows this.'),
  option('version', null, 'Shows the version.'),
];

export const YES_FLAG = option('yes', null, 'Does not ask.');
export const BODY_FLAG = option(
  'body',
  '-|@FILE',
  'The body as JSON, from stdin or a file. Flags replace its members.',
);
