/** Responses that hold a long list, written as JSON in several turns of the event loop. */
import { partsInTurns } from './turns.ts';

/** Items that are written in one turn, up to 9 KB each. */
const ITEMS_PER_TURN = 50;

/** A large `{"data":[…]}`. Its items are made and written in turns, so that other requests are served in between. */
export class LongList {
  readonly #length: number;
  readonly #itemAt: (index: number) => unknown;

  /** `itemAt` makes the item of the response with an index below `length`. */
  constructor(length: number, itemAt: (index: number) => unknown) {
    this.#length = length;
    this.#itemAt = itemAt;
  }

  /** The JSON text in UTF-8: encoding so long a text takes time too, so it happens in the same turns. */
  async toJson(): Promise<Uint8Array<ArrayBuffer>> {
    const encoder = new TextEncoder();
    const parts: Uint8Array[] = [];
    const indexes = Array.from({ length: this.#length }, (_, index) => index);
    for await (const part of partsInTurns(indexes, ITEMS_PER_TURN)) {
      const texts = part.map((index) => JSON.stringify(this.#itemAt(index)));
      parts.push(encoder.encode(`${parts.length === 0 ? '{"data":[' : ','}${texts.join()}`));
    }
    parts.push(encoder.encode(parts.length === 0 ? '{"data":[]}' : ']}'));
    return joined(parts);
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
