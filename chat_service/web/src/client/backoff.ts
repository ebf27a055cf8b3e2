// How long to wait before the next attempt: longer each time, and not the same for everybody.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** Milliseconds before attempt number `failures` + 1; between half of the wait and all of it. */
export function backoff(failures: number, random: () => number = Math.random): number {
  if (failures === 0) return random() * FIRST_MS;
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  return longest / 2 + (random() * longest) / 2;
}
