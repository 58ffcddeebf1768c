/**
 * Two projects: `workerd` runs in the runtime that Keystead runs in, against real objects; `process` runs in Node and drives the self-hosted
 * server from outside.
 */
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { TEST_SECRETS } from './secrets.ts';

const root = `${import.meta.dirname}/..`;

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: `${root}/wrangler.toml` },
            miniflare: { bindings: TEST_SECRETS },
          }),
        ],
        test: {
          name: 'workerd',
          // Property tests run hundreds of histories; a slow machine must not fail them.
          testTimeout: 60_000,
          include: ['test/**/*.test.ts'],
          exclude: ['test/process/**'],
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
          fileParallelism: false,
        },
      },
    ],
  },
});
