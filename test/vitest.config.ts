/**
 * Two projects: `workerd` runs in the runtime that Keystead runs in, against real objects; `process` runs in Node and drives the self-hosted
 * server from outside.
 */
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { withoutForeignSourceMaps } from './process/source-maps.ts';
import { TEST_SECRETS } from './secrets.ts';

/**
 * Lines of the program's own log that say what tests bring about on purpose: objects that fail, and answers of 503. The tests look at the answers. A bug of the
 * program (`request_failed`, status 500) is not among them, and shows like everything else that is printed.
 */
const EXPECTED_LINES = [
  /^\{(?:"time":"[^"]*",)?"level":"error","event":"(?:object_call_failed|alarm_failed|deletion_not_finished|database_is_newer)"/,
  /^\{"time":"[^"]*","level":"error","event":"request",.*"status":503,/,
];

/** Whether a text that a test printed has something to say. */
function isNews(text: string): boolean {
  return !text
    .trimEnd()
    .split('\n')
    .every((line) => EXPECTED_LINES.some((expected) => expected.test(line)));
}

const root = `${import.meta.dirname}/..`;

/** Files at a time. One more than the cores of a small machine: many tests really wait, for leases, evictions and alarms. */
const MAX_WORKERS = 3;

/** What takes longest, longest first: started late it would run alone at the end. */
const LONGEST = [
  'process/first-run',
  'process/docs',
  'process/eviction',
  'process/leases/leases',
  'process/full-disk/full-disk',
  'http/hostile',
  'model/deletion',
  'model/histories',
  'tenants/deletion',
  'tenants/deletion-leases',
];

/** Of each project the longest first. A project's files stay together, for only then do they share a runtime. */
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
    maxWorkers: MAX_WORKERS,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        plugins: [
          withoutForeignSourceMaps,
          cloudflareTest({
            wrangler: { configPath: `${root}/wrangler.toml` },
            miniflare: { bindings: TEST_SECRETS },
            // The runtime's own remarks: on each error that an object throws across a call, which its caller gets and logs anyway.
            verbose: false,
          }),
        ],
        test: {
          name: 'workerd',
          maxWorkers: MAX_WORKERS,
          // Property tests run hundreds of histories; a slow machine must not fail them.
          testTimeout: 60_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/process/**'],
          // Starting a runtime for each file would take as long as most of the tests; the set-up makes one as good as new.
          isolate: false,
          setupFiles: ['test/support/fresh-runtime.ts'],
          root,
        },
      },
      {
        test: {
          name: 'process',
          include: ['test/process/**/*.test.ts'],
          root,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each server has a port and a data folder of its own.
          maxWorkers: MAX_WORKERS,
        },
      },
    ],
  },
});
