// For each conversation the number up to which everything is here. Entries pass once, in order.

import type { LogEvent } from "../protocol";

/** `entries`: some before are missing, resume. `history`: nothing is known of it, load it. */
export type Lack = "entries" | "history";

export interface Passed {
  /** What may be applied now, in this order. */
  entries: LogEvent[];
  lacks?: Lack;
}

interface Known {
  cursor: number;
  /** Positions after the cursor that are here already: one's own, whose `ack` came first. */
  ahead: Set<number>;
  /** The highest position heard of. */
  seen: number;
}

export class Cursors {
  #known = new Map<string, Known>();
  /** Entries of conversations that are not known yet: they wait for `adopt`. */
  #held = new Map<string, LogEvent[]>();

  /** An entry came. */
  offer(entry: LogEvent): Passed {
    const known = this.#known.get(entry.conversation);
    if (!known) {
      if (entry.seq === 1) {
        this.#know(entry.conversation, 1);
        return { entries: [entry] };
      }
      this.#held.set(entry.conversation, [...(this.#held.get(entry.conversation) ?? []), entry]);
      return { entries: [], lacks: "history" };
    }
    known.seen = Math.max(known.seen, entry.seq);
    if (entry.seq <= known.cursor || known.ahead.has(entry.seq)) return { entries: [] };
    if (entry.seq > known.cursor + 1) return { entries: [], lacks: "entries" };
    this.#advance(known, entry.seq);
    return { entries: [entry] };
  }

  /** One's own entry was stored at `seq`; it comes by no event. */
  acked(conversation: string, seq: number): Lack | undefined {
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

  /** The conversation was loaded as it is at `head`; returns what came meanwhile. */
  adopt(conversation: string, head: number): LogEvent[] {
    const known = this.#known.get(conversation) ?? this.#know(conversation, head);
    if (head > known.cursor) this.#advance(known, head);
    known.seen = Math.max(known.seen, head);
    const held = this.#held.get(conversation) ?? [];
    this.#held.delete(conversation);
    return held.flatMap((entry) => this.offer(entry).entries);
  }

  /** What is here of it is of no use any more; it will be loaded. */
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

  /** All cursors, in records of at most `most`. */
  chunks(most: number): Array<Record<string, number>> {
    const all = [...this.#known].map(([id, known]) => [id, known.cursor] as const);
    const chunks = [];
    for (let start = 0; start < all.length || start === 0; start += most) {
      chunks.push(Object.fromEntries(all.slice(start, start + most)));
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
