/**
 * The lines to paste that show a key's life: create, verify, rotate, revoke. For a POSIX shell with curl and sed only. Each paste makes its own tenant, so a
 * second one shows the same again. No line starts with `#`, which an interactive zsh would not take for a comment.
 */

/** Marks where the lines begin, for people and for tests; they end at the next empty line. */
export const WALKTHROUGH_HEADING = 'Try it: paste these lines into another terminal.';

const POST = 'curl -sS -H "$AUTH" -H "$JSON"';

/** `url` of the server; `token` as a word of shell (see below). */
export function walkthrough(url: string, token: string): string[] {
  return [
    `API=${url}/v1; AUTH="Authorization: Bearer "${token}; JSON='Content-Type: application/json'`,
    "echo; echo '1. Create a tenant'",
    `R=$(${POST} "$API/tenants" -d '{"name":"Demo"}'); echo "$R"; TENANT=$(echo "$R" | ${captureId()})`,
    "echo; echo '2. Create a key'",
    `R=$(${POST} "$API/tenants/$TENANT/keys" -d '{"name":"First key"}'); echo "$R"; ID=$(echo "$R" | ${captureId()}); KEY=$(echo "$R" | ${captureSecret()})`,
    "echo; echo '3. Verify it: VALID'",
    verifyLine(),
    "echo; echo '4. Rotate it: the answer has the successor'",
    `${POST} "$API/tenants/$TENANT/keys/$ID/rotate" -d '{"gracePeriodSeconds":3600}'; echo`,
    "echo; echo '5. Verify the old key: VALID for its grace period, with a warning'",
    verifyLine(),
    "echo; echo '6. Revoke the old key'",
    `${POST} -X POST "$API/tenants/$TENANT/keys/$ID/revoke"; echo`,
    "echo; echo '7. Verify the old key: REVOKED'",
    verifyLine(),
  ];
}

/** A value as a word of shell. */
export function shellQuoted(value: string): string {
  return `'${value.replaceAll("'", "'\\''")}'`;
}

/** A word of shell that reads the token from where the server stored it. */
export function storedToken(secretsPath: string): string {
  return `"$(sed -n 's/.*"ADMIN_TOKEN": *"\\([^"]*\\)".*/\\1/p' ${shellQuoted(secretsPath)})"`;
}

/** The `id` of a resource: its first field. Others further on, of the key that it replaces for one, do not match. */
function captureId(): string {
  return `sed -n 's/^{"id":"\\([^"]*\\)".*/\\1/p'`;
}

function captureSecret(): string {
  return `sed -n 's/.*"secret":"\\([^"]*\\)".*/\\1/p'`;
}

function verifyLine(): string {
  return `${POST} "$API/keys/verify" -d '{"key":"'"$KEY"'"}'; echo`;
}
