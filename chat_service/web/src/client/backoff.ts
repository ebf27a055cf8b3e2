// How long to wait before the next attempt to connect: exponential, with jitter.

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/** Milliseconds to wait after `failures` attempts that failed; the first wait may be 0. */
export function backoff(failures: number, random: () => number = Math.random): number {
  if (failures === 0) return random() * FIRST_MS;
  const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** failures);
  return longest / 2 + (random() * longest) / 2;
}
