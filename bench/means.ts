/** The servers and tools that a run measures its rows with. */
import type { LoadGenerator } from './load/client.ts';
import type { Options } from './options.ts';
import type { Progress } from './progress.ts';
import type { Instance } from './servers/api.ts';
import type { Keystead } from './servers/keystead.ts';
import type { Target } from './servers/target.ts';

export type Means = {
  readonly options: Options;
  /** Holds as little data as the floors do; it is compared with them. */
  readonly small: Instance;
  /** Has many keys in one tenant, to show how cost grows with them. */
  readonly large: Instance;
  /** Has many tenants. */
  readonly many: Instance;
  readonly floors: Target;
  readonly generator: LoadGenerator;
  readonly progress: Progress;
  readonly folder: string;
  /** Starts Keystead with its files in this folder. */
  readonly startKeystead: (folder: string) => Promise<Keystead>;
  /** Stops what was started when the run is over. */
  readonly stack: AsyncDisposableStack;
};
