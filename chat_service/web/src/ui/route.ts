// Which conversation is open. It is part of the URL, so that reload, back and bookmarks work.

import { useSyncExternalStore } from "react";

const LIST = "#/";

/** The other person's address; null if no conversation is open. */
export function useRoute(): string | null {
  return useSyncExternalStore(subscribe, () => otherIn(location.hash));
}

export const routeTo = (other: string): string => `#/with/${encodeURIComponent(other)}`;

export function goTo(other: string | null): void {
  location.hash = other === null ? LIST : routeTo(other);
}

/** To the list. If that is the previous page this is a step back, like the browser's own button. */
export function goBack(): void {
  if (cameFromList) history.back();
  else location.replace(LIST);
}

/** To the list, without a trace in the address bar of what was open. */
export function forgetRoute(): void {
  history.replaceState(null, "", LIST);
}

let cameFromList = false;
window.addEventListener("hashchange", ({ oldURL }) => {
  cameFromList = otherIn(new URL(oldURL).hash) === null;
});

function otherIn(hash: string): string | null {
  const found = /^#\/with\/(.+)$/.exec(hash);
  try {
    return found ? decodeURIComponent(found[1]!).trim().toLowerCase() : null;
  } catch {
    return null;
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}
