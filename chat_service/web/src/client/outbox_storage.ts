// Keeps the outbox in IndexedDB, one database for each account. If the browser refuses that, a
// reload loses what was not sent.

import { clear, createStore, del, set, values } from "idb-keyval";

import type { OutboxItem, OutboxStorage } from "./outbox";

export function browserStorage(employee: string): OutboxStorage {
  const store = createStore(`outbox ${employee}`, "items");
  return {
    all: async () => (await tried(() => values<OutboxItem>(store))) ?? [],
    put: (item) => tried(() => set(item.op.id, item, store)),
    remove: (id) => tried(() => del(id, store)),
    clear: () => tried(() => clear(store)),
  };
}

async function tried<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    console.warn("The outbox could not be stored: a reload loses what was not sent.", error);
    return undefined;
  }
}
