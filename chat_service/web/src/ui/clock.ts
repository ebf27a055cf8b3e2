// Render again when texts about times go out of date.

import { useSyncExternalStore } from "react";

const LOOK_MS = 15_000;

/** Changes each minute. */
export function useMinute(): number {
  return useSyncExternalStore(ticking, () => Math.floor(Date.now() / 60_000));
}

/** Changes at midnight. */
export function useToday(): string {
  return useSyncExternalStore(ticking, () => new Date().toDateString());
}

function ticking(look: () => void): () => void {
  const timer = setInterval(look, LOOK_MS);
  return () => clearInterval(timer);
}
