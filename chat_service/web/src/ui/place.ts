// Which conversation is open, kept in the address so that reload, back and bookmarks work.

import { useSyncExternalStore } from "react";

/** The other one's address, null for the list alone. */
export function usePlace(): string | null {
  return useSyncExternalStore(subscribe, read);
}

export const placeOf = (other: string): string => `#/with/${encodeURIComponent(other)}`;

export function goTo(other: string | null): void {
  location.hash = other === null ? "#/" : placeOf(other);
}

function read(): string | null {
  const found = /^#\/with\/(.+)$/.exec(location.hash);
  try {
    return found ? decodeURIComponent(found[1]!) : null;
  } catch {
    return null;
  }
}

function subscribe(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}
