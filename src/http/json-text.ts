/** A response body that is JSON text already, because most of it was made before. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}
