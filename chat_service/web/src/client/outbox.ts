// What one wrote and the service has not confirmed: kept over reloads, sent in order, each until it
// is answered. Repeating an op is harmless, as its id names it for ever.
//
// One op at a time is under way to each person, so that a refusal in between changes no order.

import type { Delete, Edit, Error as Refusal, Send } from "../protocol";

export interface OutboxItem {
  readonly op: Send | Edit | Delete;
  /** The address of whom it goes to. */
  readonly to: string;
  /** When it was written: the order of sending. */
  readonly order: number;
  /** Why it will not be sent again by itself. */
  readonly refusal?: { readonly code: string; readonly detail: string };
}

/** Where items survive a reload. */
export interface OutboxStorage {
  all(): Promise<OutboxItem[]>;
  put(item: OutboxItem): Promise<void>;
  remove(id: string): Promise<void>;
  clear(): Promise<void>;
}

export class Outbox {
  #items: OutboxItem[] = [];
  #underWay = new Map<string, string>();
  #settled = new Set<string>();
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

  /** Takes in what another visit, or another tab, has left. */
  async load(): Promise<void> {
    const known = new Set(this.#items.map((item) => item.op.id));
    const left = (await this.storage.all()).filter(
      (item) => !known.has(item.op.id) && !this.#settled.has(item.op.id),
    );
    if (left.length > 0) this.#replace([...this.#items, ...left]);
  }

  /** What is to be sent now; it counts as under way until it is answered or `interrupted`. */
  next(): OutboxItem[] {
    const ready: OutboxItem[] = [];
    for (const item of this.#items) {
      if (item.refusal || this.#underWay.has(item.to)) continue;
      this.#underWay.set(item.to, item.op.id);
      ready.push(item);
    }
    return ready;
  }

  /** Confirmed, by an answer or because it came back as an event. */
  settle(id: string): OutboxItem | undefined {
    const item = this.find(id);
    if (!item) return undefined;
    this.discard(id);
    return item;
  }

  /** Refused for good: it waits for a person's decision. */
  refuse(id: string, { code, detail }: Pick<Refusal, "code" | "detail">): void {
    const item = this.find(id);
    if (!item) return;
    this.#answered(item);
    this.#keep({ ...item, refusal: { code, detail } });
  }

  /** Not now: `next` gives it again. */
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

  /** Nothing of it is sent any more, nor what other tabs have left. */
  async clear(): Promise<void> {
    for (const { op } of this.#items) this.#settled.add(op.id);
    this.#underWay.clear();
    this.#replace([]);
    await this.storage.clear();
  }

  /** The connection is gone: nobody knows what arrived, so all of it is sent again. */
  interrupted(): void {
    this.#underWay.clear();
  }

  #answered(item: OutboxItem): void {
    if (this.#underWay.get(item.to) === item.op.id) this.#underWay.delete(item.to);
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
