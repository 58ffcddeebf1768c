/** Examples of commands, for their help. A test parses each. */

export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  'keys.verify': ['keystead verify - < key.txt', 'keystead verify - --scope invoices:read --tenant acme < key.txt'],
  'keys.create': [
    'keystead keys create --name Backend --owner customer-17 --scope invoices:* --expires-in 90d',
    'keystead keys create --name CI --metadata team=core --rate-limit name=calls,limit=100,window=60s',
    'keystead keys create --name CI --secret-only > key.txt',
  ],
  'keys.list': [
    'keystead keys list --status active,rotating --owner customer-17',
    'keystead keys list --expires-before 30d --all --json | jq -r .id',
  ],
  'keys.get': ['keystead keys get key_0123456789abcdefg'],
  'keys.update': [
    'keystead keys update key_0123456789abcdefg --no-enabled',
    'keystead keys update key_0123456789abcdefg --no-expires-at --if-version 3',
  ],
  'keys.rotate': [
    'keystead keys rotate key_0123456789abcdefg --grace 7d',
    'keystead keys rotate key_0123456789abcdefg --grace 0 --secret-only > key.txt',
  ],
  'keys.revoke': ['keystead keys revoke key_0123456789abcdefg --reason leaked --yes'],
  'keys.revokeMany': [
    'keystead keys revoke-many --owner customer-17 --yes',
    'keystead keys list --search leaked --all --json | jq -r .id | keystead keys revoke-many - --yes',
  ],
  'keys.createMany': ['keystead keys create-many keys.ndjson --json > created.ndjson'],
  'keys.import': [
    'keystead keys import keys.csv --map hash=key_hash --map name=label --set owner=customer-17 --dry-run',
    'keystead keys import keys.ndjson --map metadata.team=team',
  ],
  'keys.changeCredits': ['keystead credits key key_0123456789abcdefg --operation increment --amount 1000'],
  'owners.changeCredits': ['keystead credits owner customer-17 --operation set --amount 0'],
  'tenants.create': ['keystead tenants create acme --name Acme --grace 24h --storage sealed'],
  'tenants.update': [
    'keystead tenants update acme --rate-limit name=login,limit=5,window=15m',
    'keystead tenants update acme --status disabled',
  ],
  'tenants.delete': ['keystead tenants delete acme'],
  'owners.create': ['keystead owners create customer-17 --name Globex --plan gold --credits remaining=1000'],
  'owners.update': ['keystead owners update customer-17 --no-enabled'],
  'plans.create': [
    'keystead plans create gold --quota name=calls,limit=100000,period=month --allowed-scope invoices:*',
  ],
  'managementKeys.create': [
    'keystead management-keys create --name Gateway --role verifier --tenant-id acme --secret-only',
  ],
  'audit.list': [
    'keystead audit list --since 24h --action key.revoke',
    'keystead audit list --all --json > audit.ndjson',
  ],
  'usage.read': [
    'keystead usage read --interval day --group-by owner --from 30d',
    'keystead usage read --format csv > usage.csv',
  ],
  'limits.check': ['keystead limits check --name login --identifier 192.0.2.7'],
  'encryption.reseal': ['keystead encryption reseal'],
};
