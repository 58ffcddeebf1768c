/**
 * Two projects. `workerd` runs in the runtime that Keystead runs in, against real objects. `process` runs in Node and
 * tests the self-hosted server from outside.
 */
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { withoutForeignSourceMaps } from './process/source-maps.ts';
import { TEST_SECRETS } from './support/test-secrets.ts';

/** The start of a line about a failed object call, alarm or deletion; the Worker's lines begin with a time. */
const LOGGED_FAILURES = new RegExp(
  '^\\{(?:"time":"[^"]*",)?"level":"error","event":' +
    '"(?:object_call_failed|alarm_failed|deletion_not_finished|database_is_newer)"',
);

/**
 * Lines of the program's own log that tests cause on purpose: failing objects and 503 responses. The tests check the
 * responses instead. A bug in the program (`request_failed`, status 500) is not in this list and is printed like
 * everything else.
 */
const EXPECTED_LINES = [LOGGED_FAILURES, /^\{"time":"[^"]*","level":"error","event":"request",.*"status":503,/];

/** Whether a text that a test printed contains anything unexpected. */
function isNews(text: string): boolean {
  return !text
    .trimEnd()
    .split('\n')
    .every((line) => EXPECTED_LINES.some((expected) => expected.test(line)));
}

const root = `${import.meta.dirname}/..`;

/**
 * Test files at a time that drive servers. More than a small machine has cores, because many of them really wait: for
 * leases, evictions and alarms.
 */
const SERVER_FILES_AT_ONCE = 5;
/** Runtimes of the project `workerd`. Few, because each of them loads the program and the tests for itself. */
const RUNTIMES = 3;

/** The slowest test files, slowest first. Started late, each of them would run alone at the end. */
const LONGEST = [
  'process/eviction',
  'process/usage',
  'process/docs',
  'process/upgrade/upgrade',
  'process/first-run',
  'process/client/package',
  'process/leases/leases',
  'process/durability',
  'process/full-disk/full-disk',
  'process/leases/calls',
  'process/client/cli-server',
  'process/limits/limits',
  'process/client/cli-import',
  'process/foreign-checkout',
  'process/credits/credits',
  'process/secrecy',
  'process/startup-errors',
  'credits/model',
  'leases/promise',
  'limits/model',
  'tenants/deletion',
  'owners/verification',
  'http/hostile',
  'limits/isolates',
  'security/database',
  'tenants/deletion-leases',
  'keys/memory',
  'keys/bulk',
];

/**
 * Starts the slowest files of each project first. A project's files stay together, because only then do they share a
 * runtime.
 */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId, project }: TestSpecification) => {
      const found = LONGEST.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return [project.name === 'process' ? 0 : 1, found === -1 ? LONGEST.length : found] as const;
    };
    return sorted.toSorted((a, b) => {
      const [[projectA, rankA], [projectB, rankB]] = [rank(a), rank(b)];
      return projectA - projectB || rankA - rankB;
    });
  }
}

export default defineConfig({
  test: {
    onConsoleLog: isNews,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        plugins: [
          withoutForeignSourceMaps,
          cloudflareTest({
            wrangler: { configPath: `${root}/wrangler.toml` },
            miniflare: { bindings: TEST_SECRETS },
            // Turns off the runtime's own messages about errors that objects throw across a call, which their callers
            // get and log anyway.
            verbose: false,
          }),
        ],
        test: {
          name: 'workerd',
          maxWorkers: RUNTIMES,
          sequence: { groupOrder: 1 },
          // Property tests run hundreds of histories, and a slow machine must not fail them.
          testTimeout: 60_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/process/**'],
          // Starting a runtime for each file would take as long as most tests. The setup file makes the shared one as
          // good as new.
          isolate: false,
          setupFiles: ['test/support/fresh-runtime.ts'],
          root,
        },
      },
      {
        test: {
          name: 'process',
          // Threads start sooner than processes, and keep files apart just as well.
          pool: 'threads',
          include: ['test/process/**/*.test.ts'],
          root,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: 'test/process/build-once.ts',
          // Each server has its own port and data folder.
          maxWorkers: SERVER_FILES_AT_ONCE,
          // The other project comes after it, because projects that run together must have as many workers each.
          sequence: { groupOrder: 0 },
        },
      },
    ],
  },
});
