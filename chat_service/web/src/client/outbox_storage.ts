// The outbox in IndexedDB, one database for each account; in memory where a browser refuses it.

import { createStore, del, set, values } from "idb-keyval";

import type { OutboxItem, OutboxStorage } from "./outbox";

export function browserStorage(employee: string): OutboxStorage {
  const store = createStore(`outbox ${employee}`, "items");
  return {
    all: () => values<OutboxItem>(store).catch(() => []),
    put: (item) => set(item.op.id, item, store).catch(told),
    remove: (id) => del(id, store).catch(told),
  };
}

function told(error: unknown): void {
  console.warn("The outbox could not be written: a reload would lose what is not sent.", error);
}
