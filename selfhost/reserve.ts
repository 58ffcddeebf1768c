/**
 * A reserve for the day that the disk is full. On a full disk nothing commits, and a sleeping tenant cannot even be opened to verify a key (SQLite needs
 * some 36 KiB beside each open database). What ends a key must succeed all the same, and verifications must go on. So, in DATA_DIR/reserve:
 *
 *   open      there while storage may grow. The Worker looks for it (src/storage-reserve.ts) and refuses what would grow when it is gone
 *   ballast   space that is really taken. Given back when hardly any other is left
 *
 * Growth ends well before the ballast is needed: other programs may go on to fill the disk, and what was given back early they would fill too. It starts
 * again when there is room for all of that and as much again, so that it does not flap.
 *
 * One launcher at a time keeps the reserve of a folder (data-directory.ts has the lock). Nothing here depends on how an earlier one ended:
 * each start looks at what there is.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, rmSync, type StatsFsBase, statfsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from './data-directory.ts';
import { errorCode, StartupError } from './startup-error.ts';

const MiB = 2 ** 20;
/** For revocations a few KiB each, and for some 1,500 tenants awake at a time. */
const RESERVE_BYTES_MAX = 64 * MiB;
/** A small disk is not taken up by its reserve. By the whole disk and not by what is free, so that each start comes to the same. */
const RESERVE_SHARE_MAX = 1 / 8;
/** Taken step by step, so that no check takes long. */
const STEP_BYTES = 8 * MiB;
/** A busy server writes some MiB in this time. */
const CHECK_INTERVAL_MS = 200;
/** Each tenant that is awake needs three files. */
const FREE_FILES_MIN = 1_000;

export type Sizes = {
  /** The ballast. */
  readonly reserveBytes: number;
  /** Growth ends when less is free beside the ballast. More than a server grows by until each isolate has noticed. */
  readonly growthEndsBelow: number;
  /** The ballast is given back when less is free. */
  readonly releasedBelow: number;
  /** Growth ends when fewer files can be made. 0 where the file system has no fixed number of them. */
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

/** What to do next; several checks may each have a step to take. */
export function nextStep(space: Space, sizes: Sizes): Step {
  const { freeBytes, ballastBytes, freeFiles, isOpen } = space;
  // Growth ends before the ballast goes: what grows would take it first.
  if (isOpen && (freeBytes < sizes.growthEndsBelow || freeFiles < sizes.freeFilesMin)) return 'end growth';
  if (freeBytes < sizes.releasedBelow && ballastBytes > 0) return 'release';
  const hasPlenty = freeBytes + ballastBytes >= 2 * sizes.reserveBytes && freeFiles >= 2 * sizes.freeFilesMin;
  if (!isOpen && hasPlenty) return 'allow growth';
  if (isOpen && ballastBytes < sizes.reserveBytes) return 'take more';
  return 'nothing';
}

/** Is told when growth ends, when it may go on, and that no ballast can be taken, with the bytes that are free beside the ballast. */
export type Report = (event: ReserveEvent, freeBytes: number) => void;
export type ReserveEvent = 'storage_nearly_full' | 'storage_has_room' | 'storage_reserve_refused';

export class Reserve {
  readonly path: string;
  readonly #marker: string;
  readonly #ballast: string;
  readonly #sizes: Sizes;
  #report: Report = () => {};
  /** Whether the ballast was refused although there is room, as by a quota. It is not tried again, or it would take what is left of that. */
  #isRefused = false;
  #timer: NodeJS.Timeout | undefined;

  private constructor(dataDir: string) {
    this.path = join(dataDir, 'reserve');
    this.#marker = join(this.path, 'open');
    this.#ballast = join(this.path, 'ballast');
    try {
      makeFolder(this.path);
      this.#sizes = sizesFor(statfsSync(this.path));
      // A copy of the folder may have made it a file with holes, or of another size for another disk.
      const { size, blocks: taken } = statSync(this.#ballast, { throwIfNoEntry: false }) ?? { size: 0, blocks: 0 };
      if (taken * 512 < size || size > this.#sizes.reserveBytes) rmSync(this.#ballast, { force: true });
    } catch (error) {
      throw new StartupError(`${this.path} cannot be used (${errorCode(error) ?? 'unknown error'})`);
    }
  }

  /** Brings the reserve in line with the disk and watches over it. */
  static keep(dataDir: string, report: Report): Reserve {
    const reserve = new Reserve(dataDir);
    // Before the runtime starts. What changes by this is no news, only what it leads to.
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
   * Gives the ballast back on a disk that is full, before anything else is opened there: the lock and the databases need some space. Harmless while another
   * launcher keeps this reserve: it would do the same.
   */
  static relieve(dataDir: string): void {
    try {
      const folder = join(dataDir, 'reserve');
      const disk = statfsSync(folder);
      if (disk.bavail * disk.bsize >= sizesFor(disk).releasedBelow) return;
      rmSync(join(folder, 'open'), { force: true });
      rmSync(join(folder, 'ballast'), { force: true });
    } catch {
      // No such folder yet, or one that will be refused by name.
    }
  }

  /** Whether storage may grow. */
  get isOpen(): boolean {
    return existsSync(this.#marker);
  }

  /** Looks at the disk and does what is to be done now. */
  check(): void {
    try {
      // Growth has ended, and the disk is full already: the ballast is given back at once.
      if (this.#step() === 'end growth') this.#step();
    } catch {
      // What cannot be done now is tried again by the next check. The disk may have filled up since it was looked at.
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
      appendFileSync(this.#ballast, ballastStep(bytes), { mode: 0o600 });
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

/** Bytes that a file system which compresses cannot make smaller. */
function ballastStep(bytes: number): Buffer {
  return Buffer.alloc(bytes, randomBytes(Math.min(bytes, MiB)));
}
