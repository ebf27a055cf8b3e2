// The session as all tabs of this browser keep it: in IndexedDB, or where the browser refuses that
// in this tab alone.
//
// IndexedDB, because a tab sees at once what another wrote. In localStorage it does not: tabs are
// processes, and those learn of its changes a moment later.

import { createStore, promisifyRequest } from "idb-keyval";

import type { Employee } from "./auth_api";

const KEY = "session";

export interface KeptSession {
  /** Names the log-in that it came from, whatever tokens there have been since. */
  readonly login: string;
  readonly employee: Employee;
  readonly refreshToken: string;
  readonly accessToken: string;
  /** By this device's clock, which need not be right. */
  readonly issued: number;
  readonly expires: number;
}

export class SessionStore {
  #store = createStore("session", "kept");
  #here: KeptSession | null = null;
  #refused = false;

  async read(): Promise<KeptSession | null> {
    return this.#in("readonly", async (kept) => (await present(kept)) ?? null, () => this.#here);
  }

  async write(session: KeptSession): Promise<void> {
    const put = (kept: IDBObjectStore) => void kept.put(session, KEY);
    await this.#in("readwrite", put, () => void (this.#here = session));
  }

  /** Puts `next` there, or nothing, if what is there came from this log-in; else false. */
  async replace(login: string, next: KeptSession | null): Promise<boolean> {
    return this.#in(
      "readwrite",
      async (kept) => {
        if ((await present(kept))?.login !== login) return false;
        if (next) kept.put(next, KEY);
        else kept.delete(KEY);
        return true;
      },
      () => {
        if (this.#here && this.#here.login !== login) return false;
        this.#here = next;
        return true;
      },
    );
  }

  /** Once refused, for good: otherwise an old session that is kept could come back. */
  async #in<T>(
    mode: IDBTransactionMode,
    work: (kept: IDBObjectStore) => T | Promise<T>,
    otherwise: () => T,
  ): Promise<T> {
    if (this.#refused) return otherwise();
    try {
      return await this.#store(mode, async (kept) => {
        const result = await work(kept);
        if (mode === "readwrite") await promisifyRequest(kept.transaction);
        return result;
      });
    } catch (error) {
      console.warn("The session could not be kept: a reload will ask who you are.", error);
      this.#refused = true;
      return otherwise();
    }
  }
}

function present(kept: IDBObjectStore): Promise<KeptSession | undefined> {
  return promisifyRequest(kept.get(KEY) as IDBRequest<KeptSession | undefined>);
}
