// Stores the session for all tabs of this browser, in IndexedDB: there a tab sees at once what another
// one wrote. In localStorage it may not: tabs are processes, and each learns of changes a moment
// later. If the browser refuses IndexedDB, the session is in the memory of this tab alone.

import { createStore, promisifyRequest } from "idb-keyval";

import type { Employee } from "./auth_api";

const KEY = "session";

export interface StoredSession {
  /** Identifies the login that it came from; stays the same when tokens are refreshed. */
  readonly login: string;
  readonly employee: Employee;
  readonly refreshToken: string;
  readonly accessToken: string;
  /** Milliseconds since the epoch by this device's clock, like `expires`; it need not be right. */
  readonly issued: number;
  readonly expires: number;
}

export class SessionStore {
  #store = createStore("session", "kept");
  /** In use once the browser refused IndexedDB. */
  #memory: { session: StoredSession | null } | null = null;

  async read(): Promise<StoredSession | null> {
    const get = async (kept: IDBObjectStore) => (await present(kept)) ?? null;
    return this.#transact("readonly", get, (memory) => memory.session);
  }

  async write(session: StoredSession): Promise<void> {
    const put = (kept: IDBObjectStore) => void kept.put(session, KEY);
    await this.#transact("readwrite", put, (memory) => void (memory.session = session));
  }

  /** Replaces or removes the session if it came from this login; otherwise returns false. */
  async replace(login: string, next: StoredSession | null): Promise<boolean> {
    return this.#transact(
      "readwrite",
      async (kept) => {
        if ((await present(kept))?.login !== login) return false;
        if (next) kept.put(next, KEY);
        else kept.delete(KEY);
        return true;
      },
      (memory) => {
        if (memory.session && memory.session.login !== login) return false;
        memory.session = next;
        return true;
      },
    );
  }

  /** Once refused, IndexedDB is never used again: an old session in it could come back. */
  async #transact<T>(
    mode: IDBTransactionMode,
    work: (kept: IDBObjectStore) => T | Promise<T>,
    inMemory: (memory: { session: StoredSession | null }) => T,
  ): Promise<T> {
    if (this.#memory) return inMemory(this.#memory);
    try {
      return await this.#store(mode, async (kept) => {
        const result = await work(kept);
        if (mode === "readwrite") await promisifyRequest(kept.transaction);
        return result;
      });
    } catch (error) {
      console.warn("The session could not be stored: a reload will ask you to log in again.", error);
      return inMemory((this.#memory ??= { session: null }));
    }
  }
}

function present(kept: IDBObjectStore): Promise<StoredSession | undefined> {
  return promisifyRequest(kept.get(KEY) as IDBRequest<StoredSession | undefined>);
}
