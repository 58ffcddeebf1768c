/**
 * Lines to paste that show the server at work, for a POSIX shell with curl (7.55 or newer) and sed only. Neither the token nor a key string stands in them or
 * gets into the arguments of a program, which every user of the machine can read: the shell itself writes them, and curl reads them from a pipe. No line
 * starts with `#`, which an interactive zsh would not take for a comment.
 */

/** Marks where the lines begin, for people and for tests; they end at the next empty line. */
export const WALKTHROUGH_HEADING = 'Try it: paste these lines into another terminal.';

/** Where whoever pastes finds the admin token: in the file of secrets, or in the variable. */
export type TokenSource = { readonly secretsPath: string } | 'environment';

/** A key's life: create, verify, rotate, revoke. Each paste makes its own tenant, so a second one shows the same again. */
export function walkthrough(url: string, token: TokenSource): string[] {
  return [
    `API=${url}/v1; TOKEN=${tokenWord(token)}`,
    `call() { curl -sS -H @/dev/fd/3 -H 'Content-Type: application/json' "$@" 3<<END; echo; }`,
    'Authorization: Bearer $TOKEN',
    'END',
    "echo; echo '1. Create a tenant'",
    `R=$(call "$API/tenants" -d '{"name":"Demo"}'); echo "$R"; TENANT=$(echo "$R" | ${captureId()})`,
    "echo; echo '2. Create a key'",
    `R=$(call "$API/tenants/$TENANT/keys" -d '{"name":"First key"}'); echo "$R"; ID=$(echo "$R" | ${captureId()}); KEY=$(echo "$R" | ${captureSecret()})`,
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

/**
 * One line that lists the tenants. Free of double quotes and backslashes, so that it is the same in a JSON log: it takes tokens as RFC 6750 has them
 * (the letters, digits and signs below), which a token that was chosen by hand need not be.
 */
export function firstCall(url: string, token: TokenSource): string {
  const header =
    token === 'environment'
      ? "printenv ADMIN_TOKEN | sed 's|^|Authorization: Bearer |'"
      : `sed -n '/ADMIN_TOKEN/{s|.*ADMIN_TOKEN.: *.||;s|[^A-Za-z0-9._~+/=-].*||;s|^|Authorization: Bearer |p;}' ${shellQuoted(token.secretsPath)}`;
  return `${header} | curl -sS -H @- ${url}/v1/tenants`;
}

/** A value as a word of shell; as it is where that needs no quotes. */
function shellQuoted(value: string): string {
  return /^[\w./-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}

/** A word of shell that is the token. */
function tokenWord(token: TokenSource): string {
  if (token === 'environment') return '$ADMIN_TOKEN';
  return `$(sed -n 's/.*"ADMIN_TOKEN": *"\\([^"]*\\)".*/\\1/p' ${shellQuoted(token.secretsPath)})`;
}

/** The `id` of a resource: its first field. Others further on, of the key that it replaces for one, do not match. */
function captureId(): string {
  return `sed -n 's/^{"id":"\\([^"]*\\)".*/\\1/p'`;
}

function captureSecret(): string {
  return `sed -n 's/.*"secret":"\\([^"]*\\)".*/\\1/p'`;
}

function verifyLine(): string {
  return `printf '{"key":"%s"}' "$KEY" | call "$API/keys/verify" -d @-`;
}
