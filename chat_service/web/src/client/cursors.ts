// For each conversation, the position up to which this device has everything. Passes each entry on
// once, in order.

import type { LogEvent } from "../protocol";

/** `entries`: a gap, so resume. `history`: the conversation is unknown, so load it. */
export type Missing = "entries" | "history";

export interface Offered {
  /** The entries to apply now, in this order. */
  entries: LogEvent[];
  missing?: Missing;
}

interface Known {
  cursor: number;
  /** Positions beyond a gap that this device has: its own entries, whose `ack` came first. */
  ahead: Set<number>;
  /** The highest position that an event or `ack` named. */
  seen: number;
}

export class Cursors {
  #known = new Map<string, Known>();
  /** Entries of conversations that are still unknown: they wait for `adopt`. */
  #held = new Map<string, LogEvent[]>();

  /** An entry arrived. */
  offer(entry: LogEvent): Offered {
    const known = this.#known.get(entry.conversation);
    if (!known) {
      if (entry.seq === 1) {
        this.#know(entry.conversation, 1);
        return { entries: [entry] };
      }
      this.#held.set(entry.conversation, [...(this.#held.get(entry.conversation) ?? []), entry]);
      return { entries: [], missing: "history" };
    }
    known.seen = Math.max(known.seen, entry.seq);
    if (entry.seq <= known.cursor || known.ahead.has(entry.seq)) return { entries: [] };
    if (entry.seq > known.cursor + 1) return { entries: [], missing: "entries" };
    this.#advance(known, entry.seq);
    return { entries: [entry] };
  }

  /** An entry of this device was stored at `seq`; no event brings it. */
  acked(conversation: string, seq: number): Missing | undefined {
    const known = this.#known.get(conversation);
    if (!known) {
      if (seq !== 1) return "history";
      this.#know(conversation, 1);
      return undefined;
    }
    known.seen = Math.max(known.seen, seq);
    if (seq <= known.cursor) return undefined;
    known.ahead.add(seq);
    if (known.ahead.has(known.cursor + 1)) this.#advance(known, known.cursor);
    return known.seen > known.cursor ? "entries" : undefined;
  }

  /** The conversation was loaded as of `head`. Returns the entries to apply on top of it. */
  adopt(conversation: string, head: number): LogEvent[] {
    const known = this.#known.get(conversation) ?? this.#know(conversation, head);
    if (head > known.cursor) this.#advance(known, head);
    known.seen = Math.max(known.seen, head);
    const held = this.#held.get(conversation) ?? [];
    this.#held.delete(conversation);
    return held.flatMap((entry) => this.offer(entry).entries);
  }

  /** What this device has of it is out of date; it will be loaded. */
  forget(conversation: string): void {
    this.#known.delete(conversation);
  }

  clear(): void {
    this.#known.clear();
    this.#held.clear();
  }

  get(conversation: string): number | undefined {
    return this.#known.get(conversation)?.cursor;
  }

  /** Whether an entry is known to be missing. */
  get behind(): boolean {
    return [...this.#known.values()].some((known) => known.seen > known.cursor);
  }

  /** All cursors, at most `size` to a record; one empty record if there are none. */
  chunks(size: number): Array<Record<string, number>> {
    const all = [...this.#known].map(([id, known]) => [id, known.cursor] as const);
    const chunks = [];
    for (let start = 0; start < all.length || start === 0; start += size) {
      chunks.push(Object.fromEntries(all.slice(start, start + size)));
    }
    return chunks;
  }

  #know(conversation: string, cursor: number): Known {
    const known = { cursor, ahead: new Set<number>(), seen: cursor };
    this.#known.set(conversation, known);
    return known;
  }

  #advance(known: Known, to: number): void {
    known.cursor = to;
    while (known.ahead.has(known.cursor + 1)) known.cursor++;
    for (const seq of known.ahead) if (seq <= known.cursor) known.ahead.delete(seq);
  }
}
