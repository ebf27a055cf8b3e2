// Times in the reader's language and time zone.

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayWithYear = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const precise = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

export const timeOf = (at: Date): string => clock.format(at);
export const preciselyAt = (at: Date): string => precise.format(at);

/** The heading above the messages of a day. */
export function dayName(at: Date, now = new Date()): string {
  const days = daysBetween(at, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return (at.getFullYear() === now.getFullYear() ? fullDay : dayWithYear).format(at);
}

/** As short as possible, for the list. */
export function shortly(at: Date, now = new Date()): string {
  const days = daysBetween(at, now);
  if (days === 0) return clock.format(at);
  if (days === 1) return "Yesterday";
  if (days < 7) return weekday.format(at);
  return (at.getFullYear() === now.getFullYear() ? shortDay : dayWithYear).format(at);
}

/** How long ago somebody was last seen, or a session was last used. */
export function ago(at: Date, now = new Date()): string {
  const minutes = Math.round((now.getTime() - at.getTime()) / 60_000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  const days = daysBetween(at, now);
  if (days === 0) return `today at ${clock.format(at)}`;
  if (days === 1) return `yesterday at ${clock.format(at)}`;
  return `on ${(at.getFullYear() === now.getFullYear() ? shortDay : dayWithYear).format(at)}`;
}

function daysBetween(at: Date, now: Date): number {
  const midnight = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate());
  return Math.round((midnight(now).getTime() - midnight(at).getTime()) / 86_400_000);
}
