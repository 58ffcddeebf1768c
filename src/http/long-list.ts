/** The text of a long answer, made in turns. */
import { partsInTurns } from './turns.ts';

/** Items of a list that are written in one turn: up to 9 KB each. */
const ITEMS_PER_TURN = 50;

/** A list of items that are large together, `{"data":[…]}`: written in turns, and as bytes, since it takes long to make them of so long a text. */
export async function listInTurns<T>(
  items: readonly T[],
  toResource: (item: T, index: number) => unknown,
): Promise<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  let written = 0;
  for await (const part of partsInTurns(items, ITEMS_PER_TURN)) {
    const texts = part.map((item, i) => JSON.stringify(toResource(item, written + i)));
    parts.push(encoder.encode(`${written === 0 ? '{"data":[' : ','}${texts.join()}`));
    written += part.length;
  }
  parts.push(encoder.encode(written === 0 ? '{"data":[]}' : ']}'));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
