/** A response body that is no JSON: text of another type, for programs that read that. */

/** Types of such bodies. The parameters are a part of the type: they say which version of a format it is. */
export type TextType = 'text/plain; version=0.0.4; charset=utf-8';

export class PlainText {
  readonly text: string;
  readonly contentType: TextType;

  constructor(text: string, contentType: TextType) {
    this.text = text;
    this.contentType = contentType;
  }
}
