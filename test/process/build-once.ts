/** Makes the bundle before the first test. Otherwise each of the first servers would find none and build it again. */
import { ensureBuilt } from '../../selfhost/build.ts';

export const setup = () => ensureBuilt(new AbortController().signal);
