/**
 * A reserve of space for when the disk is full. On a full disk nothing commits, and a sleeping tenant cannot even be
 * opened to verify a key (SQLite needs some 36 KiB beside each open database). Revoking and disabling keys must succeed
 * all the same, and verifications must go on. So DATA_DIR/reserve holds two files:
 *
 *   open      exists while storage may grow. Without it the Worker (src/storage-reserve.ts) refuses what would grow
 *   ballast   space that is really taken. It is given back when hardly any other space is left
 *
 * Growth ends well before the ballast is needed: other programs may go on filling the disk, and they would also fill
 * the space of a ballast given back early. Growth starts again only when there is room for all of that and as much
 * again, so that it does not switch on and off.
 *
 * One launcher at a time keeps the reserve of a folder, because of the lock in data-directory.ts. Nothing here depends
 * on how an earlier launcher ended: each start looks at what there is.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, rmSync, type StatsFsBase, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from './data-directory.ts';
import { errorCode, StartupError } from './startup-error.ts';

const MiB = 2 ** 20;
/** Enough for revocations (a few KiB each) and for some 1,500 tenants awake at a time. */
const RESERVE_BYTES_MAX = 64 * MiB;
/**
 * The reserve must not fill a small disk. A share of the whole disk rather than of the free space, so that each start
 * computes the same size.
 */
const RESERVE_SHARE_MAX = 1 / 8;
/** Taken step by step, so that no check takes long and a start need not share the disk with it. */
const STEP_BYTES = 2 * MiB;
/** A busy server writes some MiB in this time. */
const CHECK_INTERVAL_MS = 200;
/** Each tenant that is awake needs three files. */
const FREE_FILES_MIN = 1_000;

/** Random bytes, which a compressing file system cannot make smaller. Each piece of the ballast is the same. */
const INCOMPRESSIBLE = randomBytes(MiB);

export type Sizes = {
  /** Size of the ballast. */
  readonly reserveBytes: number;
  /**
   * Growth ends when less is free beside the ballast. It is more than a server can write until each isolate has
   * noticed.
   */
  readonly growthEndsBelow: number;
  /** The ballast is given back when less is free. */
  readonly releasedBelow: number;
  /** Growth ends when fewer files can be made. 0 where the file system has no fixed number of files. */
  readonly freeFilesMin: number;
};

export type Space = {
  readonly freeBytes: number;
  readonly ballastBytes: number;
  readonly freeFiles: number;
  readonly isOpen: boolean;
};

export type Step = 'end growth' | 'release' | 'allow growth' | 'take more' | 'nothing';

export function sizesFor({ blocks, bsize, files }: Pick<StatsFsBase<number>, 'blocks' | 'bsize' | 'files'>): Sizes {
  const reserveBytes = Math.min(RESERVE_BYTES_MAX, Math.floor(blocks * bsize * RESERVE_SHARE_MAX));
  const freeFilesMin = Math.min(FREE_FILES_MIN, Math.floor(files * RESERVE_SHARE_MAX));
  return { reserveBytes, growthEndsBelow: reserveBytes / 2, releasedBelow: reserveBytes / 8, freeFilesMin };
}

/** Decides what to do next. Several checks in a row may each have a step to take. */
export function nextStep(space: Space, sizes: Sizes): Step {
  const { freeBytes, ballastBytes, freeFiles, isOpen } = space;
  // Growth ends before the ballast is given back, because growing data would use up that space first.
  if (isOpen && (freeBytes < sizes.growthEndsBelow || freeFiles < sizes.freeFilesMin)) return 'end growth';
  if (freeBytes < sizes.releasedBelow && ballastBytes > 0) return 'release';
  const hasPlenty = freeBytes + ballastBytes >= 2 * sizes.reserveBytes && freeFiles >= 2 * sizes.freeFilesMin;
  if (!isOpen && hasPlenty) return 'allow growth';
  if (isOpen && ballastBytes < sizes.reserveBytes) return 'take more';
  return 'nothing';
}

/**
 * Called when growth ends, when it may go on, and when no ballast can be taken. `freeBytes` is what is free beside the
 * ballast.
 */
export type Report = (event: ReserveEvent, freeBytes: number) => void;
export type ReserveEvent = 'storage_nearly_full' | 'storage_has_room' | 'storage_reserve_refused';

export class Reserve {
  readonly path: string;
  readonly #marker: string;
  readonly #ballast: string;
  readonly #sizes: Sizes;
  #report: Report = () => {};
  /**
   * Whether the ballast was refused although there is room, for example by a quota. It is not tried again, because it
   * would use up the rest of the quota.
   */
  #isRefused = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(dataDir: string) {
    this.path = join(dataDir, 'reserve');
    this.#marker = join(this.path, 'open');
    this.#ballast = join(this.path, 'ballast');
    try {
      makeFolder(this.path);
      this.#sizes = sizesFor(statfsSync(this.path));
      // After a copy of the folder, the ballast may be a file with holes, or have the size for another disk.
      const { size, blocks: taken } = statSync(this.#ballast, { throwIfNoEntry: false }) ?? { size: 0, blocks: 0 };
      if (taken * 512 < size || size > this.#sizes.reserveBytes) rmSync(this.#ballast, { force: true });
    } catch (error) {
      throw new StartupError(`${this.path} cannot be used (${errorCode(error) ?? 'unknown error'})`);
    }
  }

  /** Creates the reserve, adjusts it to the disk, and checks it regularly. */
  static keep(dataDir: string, report: Report): Reserve {
    const reserve = new Reserve(dataDir);
    // These checks run before the runtime starts. Their steps are not reported, only the state that they lead to.
    reserve.#report = (event, freeBytes) => {
      if (event === 'storage_reserve_refused') report(event, freeBytes);
    };
    for (let checks = 0; checks < 2; checks++) reserve.check();
    reserve.#report = report;
    if (!reserve.isOpen) report('storage_nearly_full', reserve.#freeBytes());
    reserve.#timer = setInterval(() => reserve.check(), CHECK_INTERVAL_MS).unref();
    return reserve;
  }

  /**
   * Gives the ballast back on a full disk, before anything else is opened there, because the lock and the databases
   * need some space. Harmless while another launcher keeps this reserve, because that launcher would do the same.
   */
  static relieve(dataDir: string): void {
    try {
      const folder = join(dataDir, 'reserve');
      const disk = statfsSync(folder);
      if (disk.bavail * disk.bsize >= sizesFor(disk).releasedBelow) return;
      rmSync(join(folder, 'open'), { force: true });
      rmSync(join(folder, 'ballast'), { force: true });
    } catch {
      // The folder does not exist yet, or cannot be used, which the constructor reports later.
    }
  }

  /** Whether storage may grow. */
  get isOpen(): boolean {
    return existsSync(this.#marker);
  }

  /** Looks at the disk and takes the step that is needed now. */
  check(): void {
    try {
      // Growth has just ended and the disk may be full already, so the next step (giving back the ballast) follows at
      // once.
      if (this.#step() === 'end growth') this.#step();
    } catch {
      // The next check tries again. The disk may have filled up after it was looked at.
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #step(): Step {
    const { bavail, bsize, ffree } = statfsSync(this.path);
    const freeBytes = bavail * bsize;
    const ballastBytes = statSync(this.#ballast, { throwIfNoEntry: false })?.size ?? 0;
    const step = nextStep({ freeBytes, ballastBytes, freeFiles: ffree, isOpen: this.isOpen }, this.#sizes);
    switch (step) {
      case 'end growth':
        rmSync(this.#marker, { force: true });
        this.#report('storage_nearly_full', freeBytes);
        break;
      case 'release':
        rmSync(this.#ballast, { force: true });
        break;
      case 'allow growth':
        writeFileSync(this.#marker, '', { mode: 0o600 });
        this.#report('storage_has_room', freeBytes);
        break;
      case 'take more':
        this.#takeMore(Math.min(STEP_BYTES, this.#sizes.reserveBytes - ballastBytes), freeBytes);
        break;
      case 'nothing':
    }
    return step;
  }

  #takeMore(bytes: number, freeBytes: number): void {
    if (this.#isRefused) return;
    try {
      for (let left = bytes; left > 0; left -= MiB) {
        appendFileSync(this.#ballast, INCOMPRESSIBLE.subarray(0, left), { mode: 0o600 });
      }
    } catch {
      rmSync(this.#ballast, { force: true });
      this.#isRefused = true;
      this.#report('storage_reserve_refused', freeBytes);
    }
  }

  #freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }
}
