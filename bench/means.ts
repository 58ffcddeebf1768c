/** What the rows of a run are measured with. */
import type { LoadGenerator } from './load/client.ts';
import type { Options } from './options.ts';
import type { Progress } from './progress.ts';
import type { Instance } from './servers/api.ts';
import type { Keystead } from './servers/keystead.ts';
import type { Target } from './servers/target.ts';

export type Means = {
  readonly options: Options;
  /** As little on it as on the floors: what is compared with them. */
  readonly small: Instance;
  /** With many keys in one tenant: what tells how cost grows with them. */
  readonly large: Instance;
  /** With many tenants. */
  readonly many: Instance;
  readonly floors: Target;
  readonly generator: LoadGenerator;
  readonly progress: Progress;
  readonly folder: string;
  /** Starts Keystead with its files in this folder. */
  readonly startKeystead: (folder: string) => Promise<Keystead>;
  /** Ends what was started when the run is over. */
  readonly stack: AsyncDisposableStack;
};
