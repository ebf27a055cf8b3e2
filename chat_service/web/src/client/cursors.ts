// For each conversation, the position up to which this device has everything. Passes each entry on
// once, in order.

import type { LogEvent } from "../protocol";

/** `entries`: a gap, so resume. `history`: the conversation is unknown, so load it. */
export type Missing = "entries" | "history";

/** Entries of a conversation that are kept beyond a gap. Further ones come again with a resume. */
const MOST_KEPT = 500;

export interface Offered {
  /** The entries to apply now, in this order. */
  entries: LogEvent[];
  missing?: Missing;
}

interface Known {
  cursor: number;
  /** What this device has beyond a gap, by position; null for its own, which `ack` brought. */
  ahead: Map<number, LogEvent | null>;
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
    if (entry.seq > known.cursor + 1) {
      if (known.ahead.size < MOST_KEPT) known.ahead.set(entry.seq, entry);
      return { entries: [], missing: "entries" };
    }
    return { entries: [entry, ...this.#advance(known, entry.seq)] };
  }

  /** The conversation has entries up to `seq`. Returns what this device lacks. */
  head(conversation: string, seq: number): Missing | undefined {
    const known = this.#known.get(conversation);
    if (!known) return "history";
    known.seen = Math.max(known.seen, seq);
    return known.seen > known.cursor ? "entries" : undefined;
  }

  /** An entry of this device was stored at `seq`; no event brings it. */
  acked(conversation: string, seq: number): Offered {
    const known = this.#known.get(conversation);
    if (!known) {
      if (seq !== 1) return { entries: [], missing: "history" };
      this.#know(conversation, 1);
      return { entries: [] };
    }
    known.seen = Math.max(known.seen, seq);
    if (seq <= known.cursor) return { entries: [] };
    known.ahead.set(seq, null);
    const entries = this.#advance(known, known.cursor);
    return known.seen > known.cursor ? { entries, missing: "entries" } : { entries };
  }

  /** The conversation was loaded as of `head`. Returns the entries to apply on top of it. */
  adopt(conversation: string, head: number): LogEvent[] {
    const known = this.#known.get(conversation) ?? this.#know(conversation, head);
    const kept = head > known.cursor ? this.#advance(known, head) : [];
    known.seen = Math.max(known.seen, head);
    const held = this.#held.get(conversation) ?? [];
    this.#held.delete(conversation);
    return [...kept, ...held.flatMap((entry) => this.offer(entry).entries)];
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

  /**
   * All cursors, or those `behind` something that is known to be missing: at most `size` to a
   * record; one empty record if there are none.
   */
  chunks(size: number, which: "all" | "behind" = "all"): Array<Record<string, number>> {
    const all = [...this.#known]
      .filter(([, known]) => which === "all" || known.seen > known.cursor)
      .map(([id, known]) => [id, known.cursor] as const);
    const chunks = [];
    for (let start = 0; start < all.length || start === 0; start += size) {
      chunks.push(Object.fromEntries(all.slice(start, start + size)));
    }
    return chunks;
  }

  #know(conversation: string, cursor: number): Known {
    const known = { cursor, ahead: new Map(), seen: cursor };
    this.#known.set(conversation, known);
    return known;
  }

  /** Everything up to `to` is there. Returns what was kept and is next. */
  #advance(known: Known, to: number): LogEvent[] {
    const next: LogEvent[] = [];
    known.cursor = to;
    for (let entry; (entry = known.ahead.get(known.cursor + 1)) !== undefined; known.cursor++) {
      if (entry) next.push(entry);
    }
    for (const seq of known.ahead.keys()) if (seq <= known.cursor) known.ahead.delete(seq);
    return next;
  }
}
