// Which conversation is open, kept in the address so that reload, back and bookmarks work.

import { useSyncExternalStore } from "react";

const LIST = "#/";

/** The other one's address, null for the list alone. */
export function usePlace(): string | null {
  return useSyncExternalStore(subscribe, () => placeIn(location.hash));
}

export const placeOf = (other: string): string => `#/with/${encodeURIComponent(other)}`;

export function goTo(other: string | null): void {
  location.hash = other === null ? LIST : placeOf(other);
}

/** To the list: a step back where one came from there, so that the browser's back button agrees. */
export function leavePlace(): void {
  if (cameFromList) history.back();
  else location.replace(LIST);
}

let cameFromList = false;
window.addEventListener("hashchange", ({ oldURL }) => {
  cameFromList = placeIn(new URL(oldURL).hash) === null;
});

function placeIn(hash: string): string | null {
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
