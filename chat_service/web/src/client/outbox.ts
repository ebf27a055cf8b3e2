// What was written and not confirmed yet. It survives a reload, and is sent in order and repeated
// until it is answered. Repeating an op is harmless: its id identifies it for good.
//
// One op at a time is in flight to each person, so that a refusal does not change the order.

import type { Delete, Edit, Error as Refusal, Send } from "../protocol";

export interface OutboxItem {
  readonly op: Send | Edit | Delete;
  /** The recipient's address. */
  readonly to: string;
  /** Milliseconds since the epoch when it was written: the order of sending. */
  readonly order: number;
  /** Why it was refused for good: it is sent again only if the person asks for it. */
  readonly refusal?: { readonly code: string; readonly detail: string };
}

/** Keeps items over a reload. */
export interface OutboxStorage {
  all(): Promise<OutboxItem[]>;
  put(item: OutboxItem): Promise<void>;
  remove(id: string): Promise<void>;
  clear(): Promise<void>;
}

export class Outbox {
  #items: OutboxItem[] = [];
  #inFlight = new Map<string, string>();
  #settled = new Set<string>(); // confirmed or discarded; another tab may still store them
  #lastOrder = 0;

  constructor(
    private readonly storage: OutboxStorage,
    private readonly changed: (items: readonly OutboxItem[]) => void,
  ) {}

  get items(): readonly OutboxItem[] {
    return this.#items;
  }

  find(id: string | undefined): OutboxItem | undefined {
    return this.#items.find((item) => item.op.id === id);
  }

  add(op: OutboxItem["op"], to: string): void {
    this.#lastOrder = Math.max(Date.now(), this.#lastOrder + 0.001);
    this.#keep({ op, to, order: this.#lastOrder });
  }

  /** Adds what an earlier visit, or another tab, left in the storage. */
  async load(): Promise<void> {
    const known = new Set(this.#items.map((item) => item.op.id));
    const left = (await this.storage.all()).filter(
      (item) => !known.has(item.op.id) && !this.#settled.has(item.op.id),
    );
    if (left.length > 0) this.#replace([...this.#items, ...left]);
  }

  /** What to send now. It is in flight until it is answered, or the connection is `interrupted`. */
  next(): OutboxItem[] {
    const ready: OutboxItem[] = [];
    for (const item of this.#items) {
      if (item.refusal || this.#inFlight.has(item.to)) continue;
      this.#inFlight.set(item.to, item.op.id);
      ready.push(item);
    }
    return ready;
  }

  /** Confirmed, by an `ack` or because it came back as an event. */
  settle(id: string): OutboxItem | undefined {
    const item = this.find(id);
    if (!item) return undefined;
    this.discard(id);
    return item;
  }

  /** Refused for good: the person decides what to do with it. */
  refuse(id: string, { code, detail }: Pick<Refusal, "code" | "detail">): void {
    const item = this.find(id);
    if (!item) return;
    this.#answered(item);
    this.#keep({ ...item, refusal: { code, detail } });
  }

  /** Refused for now: `next` returns it again. */
  postpone(id: string): void {
    const item = this.find(id);
    if (item) this.#answered(item);
  }

  retry(id: string): void {
    const item = this.find(id);
    if (!item) return;
    const { op, to } = item;
    this.discard(id);
    this.#settled.delete(id);
    this.add(op, to);
  }

  discard(id: string): void {
    const item = this.find(id);
    if (!item) return;
    this.#answered(item);
    this.#settled.add(id);
    this.#replace(this.#items.filter((other) => other !== item));
    void this.storage.remove(id);
  }

  /** Discards everything, including what other tabs left in the storage. */
  async clear(): Promise<void> {
    for (const { op } of this.#items) this.#settled.add(op.id);
    this.#inFlight.clear();
    this.#replace([]);
    await this.storage.clear();
  }

  /** The connection was lost. What arrived is unknown, so everything is sent again. */
  interrupted(): void {
    this.#inFlight.clear();
  }

  #answered(item: OutboxItem): void {
    if (this.#inFlight.get(item.to) === item.op.id) this.#inFlight.delete(item.to);
  }

  #keep(item: OutboxItem): void {
    this.#replace([...this.#items.filter(({ op }) => op.id !== item.op.id), item]);
    void this.storage.put(item);
  }

  #replace(items: OutboxItem[]): void {
    this.#items = items.sort((a, b) => a.order - b.order);
    this.changed(this.#items);
  }
}
