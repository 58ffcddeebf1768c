/**
 * The reserve for a full disk: when growth ends, when the ballast is given back and taken again, and what a crash in
 * between leaves.
 */
import { existsSync, mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, type TestContext, test } from 'vitest';
import { nextStep, Reserve, type ReserveEvent, type Space, sizesFor } from '../../selfhost/reserve.ts';
import { Client } from './client.ts';
import { eventually, startServer, temporaryFolder } from './server.ts';
import { SmallDisk } from './small-disk.ts';

const MiB = 2 ** 20;
const SIZES = sizesFor({ blocks: 10_000, bsize: MiB, files: 1_000_000 });

test('the reserve is 64 MiB, less on a small disk, and none where the system reports no size', () => {
  expect(SIZES).toEqual({
    reserveBytes: 64 * MiB,
    growthEndsBelow: 32 * MiB,
    releasedBelow: 8 * MiB,
    freeFilesMin: 1_000,
  });
  expect(sizesFor({ blocks: 40, bsize: MiB, files: 800 })).toEqual({
    reserveBytes: 5 * MiB,
    growthEndsBelow: 2.5 * MiB,
    releasedBelow: (5 / 8) * MiB,
    freeFilesMin: 100,
  });
  const none = sizesFor({ blocks: 0, bsize: 4096, files: 0 });
  expect(nextStep({ freeBytes: 0, ballastBytes: 0, freeFiles: 0, isOpen: false }, none)).toBe('allow growth');
  expect(nextStep({ freeBytes: 0, ballastBytes: 0, freeFiles: 0, isOpen: true }, none)).toBe('nothing');
});

test.each<[string, number, number, boolean, string]>([
  ['a fresh disk', 1000, 0, false, 'allow growth'],
  ['the ballast is not there yet', 1000, 8, true, 'take more'],
  ['all is there', 1000, 64, true, 'nothing'],
  ['little is free', 31, 64, true, 'end growth'],
  ['nothing is free, and growth has not ended', 0, 64, true, 'end growth'],
  ['little is free, growth has ended', 8, 64, false, 'nothing'],
  ['hardly anything is free', 7, 64, false, 'release'],
  ['hardly anything is free, with nothing left to give back', 7, 0, false, 'nothing'],
  ['some is free again', 63, 64, false, 'nothing'],
  ['enough is free again', 64, 64, false, 'allow growth'],
  ['some is free again, the ballast given back', 127, 0, false, 'nothing'],
  ['enough is free again, the ballast given back', 128, 0, false, 'allow growth'],
])('%s', (_what, free, ballast, isOpen, step) => {
  const space = { freeBytes: free * MiB, ballastBytes: ballast * MiB, freeFiles: 5_000, isOpen };
  expect(nextStep(space, SIZES)).toBe(step);
});

test('running out of files ends growth as running out of bytes does', () => {
  const space = { freeBytes: 1000 * MiB, ballastBytes: 64 * MiB };
  expect(nextStep({ ...space, freeFiles: 999, isOpen: true }, SIZES)).toBe('end growth');
  expect(nextStep({ ...space, freeFiles: 1_999, isOpen: false }, SIZES)).toBe('nothing');
  expect(nextStep({ ...space, freeFiles: 2_000, isOpen: false }, SIZES)).toBe('allow growth');
});

test('on a disk that nobody else changes, the steps come to an end and never repeat a state', () => {
  const spaces = fc.record({
    freeBytes: fc.integer({ min: 0, max: 300 * MiB }),
    ballastBytes: fc.integer({ min: 0, max: 64 * MiB }),
    freeFiles: fc.integer({ min: 0, max: 5_000 }),
    isOpen: fc.boolean(),
  });
  fc.assert(
    fc.property(spaces, (start) => {
      let space: Space = start;
      const turns: boolean[] = [];
      for (let checks = 0; checks < 40; checks++) {
        const { freeBytes, ballastBytes } = space;
        const step = nextStep(space, SIZES);
        if (step === 'nothing') break;
        const taken = step === 'take more' ? Math.min(2 * MiB, SIZES.reserveBytes - ballastBytes) : 0;
        const given = step === 'release' ? ballastBytes : 0;
        space = {
          ...space,
          freeBytes: freeBytes - taken + given,
          ballastBytes: ballastBytes + taken - given,
          isOpen: step === 'allow growth' || (step !== 'end growth' && space.isOpen),
        };
        if (step === 'allow growth' || step === 'end growth') turns.push(space.isOpen);
        expect(space.freeBytes).toBeGreaterThanOrEqual(0);
      }
      expect(nextStep(space, SIZES)).toBe('nothing');
      expect(turns.length).toBeLessThanOrEqual(1);
      // Hardly any free space, with a ballast that could be given back, means that it has been given back.
      expect(space.freeBytes >= SIZES.releasedBelow || space.ballastBytes === 0).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

/** Mounts a disk for the test, or skips the test. */
function smallDisk({ skip }: TestContext): SmallDisk {
  const disk = SmallDisk.mount(40);
  return 'refusal' in disk ? skip(`no small disk can be mounted here: ${disk.refusal}`) : disk;
}

const ballastOf = (dataDir: string) => statSync(join(dataDir, 'reserve/ballast'), { throwIfNoEntry: false })?.size ?? 0;

describe('on a disk of 40 MiB', () => {
  test('growth ends, the ballast is given back, and both are restored when there is space again', (context) => {
    using disk = smallDisk(context);
    const events: ReserveEvent[] = [];
    const reserve = Reserve.keep(disk.path, (event) => events.push(event));
    const settle = () => {
      for (let checks = 0; checks < 10; checks++) reserve.check();
      return { isOpen: reserve.isOpen, ballast: ballastOf(disk.path), events: events.splice(0) };
    };
    expect(settle()).toEqual({ isOpen: true, ballast: 5 * MiB, events: [] });
    // The space is really taken.
    expect(disk.freeBytes).toBeLessThanOrEqual(35 * MiB);
    disk.fill(2 * MiB);
    expect(settle()).toEqual({ isOpen: false, ballast: 5 * MiB, events: ['storage_nearly_full'] });
    disk.fill();
    expect(settle()).toEqual({ isOpen: false, ballast: 0, events: [] });
    expect(disk.freeBytes).toBeGreaterThanOrEqual(5 * MiB);
    disk.empty();
    expect(settle()).toEqual({ isOpen: true, ballast: 5 * MiB, events: ['storage_has_room'] });
    // All at once, between two checks.
    disk.fill();
    reserve.check();
    expect(settle()).toEqual({ isOpen: false, ballast: 0, events: ['storage_nearly_full'] });
    reserve.close();
  });

  test('whatever an earlier run left behind, the start ends in the state that fits the disk', (context) => {
    using disk = smallDisk(context);
    const keep = () => {
      const events: ReserveEvent[] = [];
      const reserve = Reserve.keep(disk.path, (event) => events.push(event));
      for (let checks = 0; checks < 10; checks++) reserve.check();
      reserve.close();
      return { isOpen: reserve.isOpen, ballast: ballastOf(disk.path), events };
    };
    const full = { isOpen: true, ballast: 5 * MiB, events: [] };
    expect(keep()).toEqual(full);
    // A crash with half of the ballast made, a crash without the marker, a copy with a hole in place of the ballast.
    truncateSync(join(disk.path, 'reserve/ballast'), 2 * MiB);
    expect(keep()).toEqual(full);
    truncateSync(join(disk.path, 'reserve/ballast'), 0);
    truncateSync(join(disk.path, 'reserve/ballast'), 5 * MiB);
    expect(keep()).toEqual(full);
    expect(statSync(join(disk.path, 'reserve/ballast')).blocks * 512).toBe(5 * MiB);
    // A crash on a full disk, with the marker still there.
    disk.fill();
    expect(keep()).toEqual({ isOpen: false, ballast: 0, events: ['storage_nearly_full'] });
    disk.fill();
    expect(keep()).toEqual({ isOpen: false, ballast: 0, events: ['storage_nearly_full'] });
    disk.empty();
    expect(keep()).toEqual(full);
  });

  test('a launcher that was killed on a full disk starts again there, and logs that it is full', async (context) => {
    using disk = smallDisk(context);
    let secret = '';
    {
      await using server = await startServer(join(disk.path, 'data'));
      const client = new Client(server);
      await client.createTenant('acme');
      ({ secret } = await client.createKey('acme'));
      await eventually('the ballast is there', 10_000, () => ballastOf(server.dataDir) === 5 * MiB);
      process.kill(server.pid, 'SIGSTOP');
      disk.fill();
      await server.killGroup();
    }
    await using server = await startServer(join(disk.path, 'data'));
    expect(server.stderr).toContain('"event":"storage_nearly_full"');
    expect(ballastOf(server.dataDir)).toBe(0);
    expect(await new Client(server).verify(secret)).toMatchObject({ code: 'VALID' });
    disk.empty();
    await eventually('there is room again', 10_000, () => server.stdout.includes('"event":"storage_has_room"'));
    await eventually('the ballast is back', 10_000, () => ballastOf(server.dataDir) === 5 * MiB);
    // The Worker remembers for a second that the marker was missing.
    const create = () => new Client(server).send('POST', '/tenants/acme/keys', { name: 'key' });
    await eventually('keys are made again', 10_000, async () => (await create()).status === 201);
  });
});

test('a ballast that is refused although there seems to be room is reported once, and not tried again', () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, 'reserve'));
  // Instead of a quota, a file that cannot be made.
  symlinkSync(join(folder.path, 'missing/file'), join(folder.path, 'reserve/ballast'));
  writeFileSync(join(folder.path, 'reserve/open'), '');
  const events: ReserveEvent[] = [];
  const reserve = Reserve.keep(folder.path, (event) => events.push(event));
  for (let checks = 0; checks < 5; checks++) reserve.check();
  reserve.close();
  expect(events).toEqual(['storage_reserve_refused']);
  expect(existsSync(join(folder.path, 'reserve/open'))).toBe(true);
});
