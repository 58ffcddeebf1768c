/** The model's properties alone, in workerd as in `npm test`, with as many runs as the campaign specifies. */
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { TEST_SECRETS } from '../../support/test-secrets.ts';
import { withoutForeignSourceMaps } from '../source-maps.ts';

const root = `${import.meta.dirname}/../../..`;

export default defineConfig({
  plugins: [
    withoutForeignSourceMaps,
    cloudflareTest({
      wrangler: { configPath: `${root}/wrangler.toml` },
      miniflare: { bindings: TEST_SECRETS },
      verbose: false,
    }),
  ],
  test: {
    include: [
      'test/model/histories.test.ts',
      'test/model/deletion.test.ts',
      'test/leases/model.test.ts',
      'test/leases/promise.test.ts',
      'test/limits/model.test.ts',
    ],
    root,
    // Histories cause crashes, which are logged.
    silent: 'passed-only',
    // The campaign ends when the runs are done, however long that takes.
    testTimeout: 0,
    provide: { modelRuns: Number(process.env.MODEL_RUNS) },
  },
});
