import { Fragment } from "react";

const LINK = /https?:\/\/[^\s<>"'`]+/gi;

/** The text as written, with http and https addresses as links, which show the whole address. */
export function MessageText({ text }: { text: string }) {
  const parts = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const address = withoutPunctuation(found);
    if (!URL.canParse(address)) continue;
    parts.push(<Fragment key={end}>{text.slice(end, index)}</Fragment>);
    parts.push(
      <a key={`link ${index}`} href={address} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    end = index + address.length;
  }
  parts.push(<Fragment key={end}>{text.slice(end)}</Fragment>);
  return <>{parts}</>;
}

/** In "(see https://example.org/a_(b).)" the last two characters end the sentence, not the address. */
function withoutPunctuation(found: string): string {
  let address = found.replace(/[.,;:!?…]+$/, "");
  while (address.endsWith(")") && count(address, ")") > count(address, "(")) {
    address = address.slice(0, -1).replace(/[.,;:!?…]+$/, "");
  }
  return address;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
