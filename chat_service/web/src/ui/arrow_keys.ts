import type { KeyboardEvent } from "react";

/** Up and Down move the focus through the list, from its first entry to the search field. */
export function moveByArrowKeys(event: KeyboardEvent<HTMLElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const entries = [...event.currentTarget.querySelectorAll<HTMLElement>(".entry")];
  const next = entries[entries.indexOf(document.activeElement as HTMLElement) + step];
  event.preventDefault();
  (next ?? document.querySelector<HTMLElement>(".search input"))?.focus();
}
