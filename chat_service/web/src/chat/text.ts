// What may be sent, by the rules of the service, and how names stand within sentences.

import { toUnicode } from "punycode/";

/** Not: spaces, what is invisible by nature, marks on nothing, and the Braille blank. */
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{M}\p{Cc}\p{Cf}\u2800]/u;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;

/** Whether a person sees anything of it. */
export const shows = (text: string): boolean => VISIBLE.test(text);

/** As it is sent: without the control characters that a terminal or a PDF leaves in a copied text. */
export const sendable = (text: string): string => text.replace(CONTROL, "").trim();

/** A name that keeps its direction of writing to itself (Unicode Annex 9: isolates). */
export const isolated = (name: string): string => `\u2068${name}\u2069`;

/** An address as people write it: the domain in its own letters, where it has others than ASCII. */
export function shownAddress(email: string): string {
  if (!email.includes("xn--")) return email;
  const at = email.lastIndexOf("@") + 1;
  try {
    return email.slice(0, at) + toUnicode(email.slice(at));
  } catch {
    return email;
  }
}
