/** One line of text for people: a name, an owner, a reason. */
import * as v from 'valibot';

/**
 * Characters that one line must not have: controls, halves of surrogate pairs, and code points that
 * are no characters.
 */
const UNFIT = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;

/** Whether a text is one line of 1 to `max` UTF-16 units: what `line(max)` accepts. */
export const isLine = (text: string, max: number) => text.length <= max && text.trim() !== '' && !UNFIT.test(text);

/** A schema for one line of 1 to `max` UTF-16 units. */
export const line = (max: number) =>
  v.pipe(
    v.string(),
    v.minLength(1, 'must not be empty'),
    v.maxLength(max, `must be at most ${max} characters`),
    v.check((text) => !UNFIT.test(text), 'must not contain control characters or broken Unicode'),
    v.check((text) => text.trim() !== '', 'must not be blank'),
  );
