// What was written and not confirmed yet. It survives a reload, and is sent in order and repeated
// until it is answered. Repeating an op is harmless: its id identifies it for good.
//
// One op at a time is in flight to each person, so that a refusal does not change the order.

import type { Delete, Edit, Error as Refusal, Send } from "../protocol";

const MOST_SUSPICIONS = 3;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

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
  #suspicions = new Map<string, number>();
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
    this.#keep({ op: wellFormed(op), to, order: this.#lastOrder });
  }

  /** Adds what an earlier visit, or another tab, left in the storage. */
  async load(): Promise<void> {
    const known = new Set(this.#items.map((item) => item.op.id));
    const left = (await this.storage.all()).filter(
      (item) => !known.has(item.op.id) && !this.#settled.has(item.op.id),
    );
    const whole = left.map((item) => ({ ...item, op: wellFormed(item.op) }));
    if (whole.length > 0) this.#replace([...this.#items, ...whole]);
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

  /**
   * An error that names no op: one of those in flight may be the reason. What was in flight each of
   * `MOST_SUSPICIONS` times is refused, so that nothing waits behind it for good.
   */
  suspect(error: Pick<Refusal, "code" | "detail">): void {
    for (const id of [...this.#inFlight.values()]) {
      const suspicions = (this.#suspicions.get(id) ?? 0) + 1;
      this.#suspicions.set(id, suspicions);
      if (suspicions >= MOST_SUSPICIONS) this.refuse(id, error);
    }
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
    this.#suspicions.delete(id);
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

/** Half a surrogate pair in a text is replaced: no service takes it, however often it is sent. */
function wellFormed<Op extends OutboxItem["op"]>(op: Op): Op {
  if (!("text" in op)) return op;
  return { ...op, text: op.text.replace(LONE_SURROGATE, "\ufffd") };
}
