/**
 * Lines to paste that show the server at work. They need only a POSIX shell, sed and curl (7.55 or newer). Every user
 * of the machine can read the arguments of a program, so the lines contain neither the token nor a key string, and pass
 * neither as an argument: the shell itself writes them to a pipe, and curl reads them from there. No line starts with
 * `#`, because an interactive zsh would not treat it as a comment.
 */

/** Marks where the lines begin, for people and for tests. They end at the next empty line. */
export const WALKTHROUGH_HEADING = 'Try it: paste these lines into another terminal.';

/** Where the reader finds the admin token: in the file of secrets, or in the environment variable. */
export type TokenSource = { readonly secretsPath: string } | 'environment';

/** A key's life: create, verify, rotate, revoke. Each paste makes its own tenant, so the lines can be pasted again. */
export function walkthrough(url: string, token: TokenSource): string[] {
  const readKey = `echo "$R"; ID=$(echo "$R" | ${captureId()}); KEY=$(echo "$R" | ${captureSecret()})`;
  return [
    `API=${url}/v1; TOKEN=${tokenWord(token)}`,
    `call() { curl -sS -H @/dev/fd/3 -H 'Content-Type: application/json' "$@" 3<<END; echo; }`,
    'Authorization: Bearer $TOKEN',
    'END',
    "echo; echo '1. Create a tenant'",
    `R=$(call "$API/tenants" -d '{"name":"Demo"}'); echo "$R"; TENANT=$(echo "$R" | ${captureId()})`,
    "echo; echo '2. Create a key'",
    `R=$(call "$API/tenants/$TENANT/keys" -d '{"name":"First key"}'); ${readKey}`,
    "echo; echo '3. Verify it: VALID'",
    verifyLine(),
    "echo; echo '4. Rotate it: the answer has the successor'",
    `call "$API/tenants/$TENANT/keys/$ID/rotate" -d '{"gracePeriodSeconds":3600}'`,
    "echo; echo '5. Verify the old key: VALID for its grace period, with a warning'",
    verifyLine(),
    "echo; echo '6. Revoke the old key'",
    `call -X POST "$API/tenants/$TENANT/keys/$ID/revoke"`,
    "echo; echo '7. Verify the old key: REVOKED'",
    verifyLine(),
  ];
}

/** A sed program that turns the line of the token in secrets.json into the header of a request. */
const HEADER_FROM_SECRETS =
  '/ADMIN_TOKEN/{s|.*ADMIN_TOKEN.: *.||;s|[^A-Za-z0-9._~+/=-].*||;s|^|Authorization: Bearer |p;}';

/**
 * One line that lists the tenants. It has no double quotes or backslashes, so it looks the same in a JSON log. It
 * therefore reads only tokens as RFC 6750 defines them (the letters, digits and signs below), which a token chosen by
 * hand may not be.
 */
export function firstCall(url: string, token: TokenSource): string {
  const header =
    token === 'environment'
      ? "printenv ADMIN_TOKEN | sed 's|^|Authorization: Bearer |'"
      : `sed -n '${HEADER_FROM_SECRETS}' ${shellQuoted(token.secretsPath)}`;
  return `${header} | curl -sS -H @- ${url}/v1/tenants`;
}

/** Returns a value as a word of shell, quoted only where necessary. */
function shellQuoted(value: string): string {
  return /^[\w./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

/** Returns a word of shell that evaluates to the token. */
function tokenWord(token: TokenSource): string {
  if (token === 'environment') return '$ADMIN_TOKEN';
  return `$(sed -n 's/.*"ADMIN_TOKEN": *"\\([^"]*\\)".*/\\1/p' ${shellQuoted(token.secretsPath)})`;
}

/**
 * Captures the `id` of a resource, which is its first field. Later ids, such as that of the replaced key, do not match.
 */
function captureId(): string {
  return `sed -n 's/^{"id":"\\([^"]*\\)".*/\\1/p'`;
}

function captureSecret(): string {
  return `sed -n 's/.*"secret":"\\([^"]*\\)".*/\\1/p'`;
}

function verifyLine(): string {
  return `printf '{"key":"%s"}' "$KEY" | call "$API/keys/verify" -d @-`;
}
