/**
 * Whole numbers from 0 to 2^53 - 1 as bytes: seven bits each, the lowest first, the high bit set on all but the last.
 */

export class VarintWriter {
  readonly #bytes: number[] = [];

  write(...values: readonly number[]): void {
    for (const value of values) {
      let rest = value;
      while (rest >= 128) {
        this.#bytes.push((rest % 128) + 128);
        rest = Math.floor(rest / 128);
      }
      this.#bytes.push(rest);
    }
  }

  get bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Bytes of the longest number. */
export const VARINT_BYTES_MAX = 8;

export class VarintReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next number. Throws when there is none, when it is too large, and when it could have been shorter. */
  read(): number {
    let value = 0;
    for (let i = 0, scale = 1; i < VARINT_BYTES_MAX; i += 1, scale *= 128) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new Error('numbers end too early');
      this.#at += 1;
      value += (byte % 128) * scale;
      if (byte >= 128) continue;
      if ((byte === 0 && i > 0) || !Number.isSafeInteger(value)) break;
      return value;
    }
    throw new Error('a number is not as it would be written');
  }
}
