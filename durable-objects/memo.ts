/** A bounded memory for values that are costly to make; the least recently used goes first. */
export class Memo<V> {
  readonly #values = new Map<string, V>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** The value for this key, made if it is not there. */
  get(key: string, make: () => V): V {
    const found = this.find(key);
    if (found !== undefined) return found;
    const made = make();
    this.set(key, made);
    return made;
  }

  find(key: string): V | undefined {
    const found = this.#values.get(key);
    if (found === undefined) return undefined;
    // Back to the end of the line.
    this.#values.delete(key);
    this.#values.set(key, found);
    return found;
  }

  set(key: string, value: V): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= this.#max) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  clear(): void {
    this.#values.clear();
  }
}
