// Who is logged in here, and the tokens: one session for all tabs of this browser.
//
// It is kept where scripts can read it. A cookie that they cannot read would need the auth service to
// be on the page's own site and guarded against forged requests; it may be anywhere. What scripts can
// read is as safe as the scripts are, so the page runs none but its own: the Content-Security-Policy
// allows no inline script, no other origin and no markup made of text.
//
// Refresh tokens are used once each. A tab takes a lock before it uses the present one and looks
// again when it has the lock: another tab may have been faster. That needs a store in which a tab
// sees at once what another wrote, which IndexedDB is and localStorage is not: tabs are processes,
// and those learn of its changes a moment later.

import { createStore, del, get, set } from "idb-keyval";

import { SessionEnded, type Tokens } from "../client/connection";
import { call, Refused, type Call } from "../http";
import type { AuthApi, Employee, Grant } from "./auth_api";

const KEY = "session";
const MARGIN_MS = 90_000;

interface Stored {
  employee: Employee;
  refreshToken: string;
  accessToken: string;
  /** By this device's clock, which need not be right. */
  issued: number;
  expires: number;
}

/** Why nobody is logged in, where it is not for the first time. */
export type Farewell = "logged_out" | "ended";

export class Session implements Tokens {
  farewell: Farewell | null = null;
  #stored: Stored | null = null;
  #listeners = new Set<() => void>();
  #store = createStore("session", "kept");
  #tabs = new BroadcastChannel(KEY);

  private constructor(readonly api: AuthApi) {
    this.#tabs.onmessage = () => void this.#reread();
  }

  static async open(api: AuthApi): Promise<Session> {
    const session = new Session(api);
    await session.#reread();
    return session;
  }

  get employee(): Employee | null {
    return this.#stored?.employee ?? null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async logIn(email: string, password: string): Promise<void> {
    await this.#keep(await this.api.logIn(email, password));
  }

  /** Ends the session there too, where the service can be reached. */
  async logOut(): Promise<void> {
    const token = this.#stored?.accessToken;
    await this.#end("logged_out");
    if (token) await this.api.logOut(token).catch(() => undefined);
  }

  async logOutEverywhere(): Promise<void> {
    await this.api.logOutEverywhere(await this.token());
    await this.#end("logged_out");
  }

  /** The service ended it. */
  ended(): void {
    void this.#end("ended");
  }

  async token(refused?: string): Promise<string> {
    const present = this.#stored;
    if (present && present.accessToken !== refused && this.renewIn() > 0) return present.accessToken;
    return locked(async () => {
      await this.#reread();
      const now = this.#stored;
      if (!now) throw new SessionEnded();
      if (now.accessToken !== refused && this.renewIn() > 0) return now.accessToken;
      return this.#refresh(now);
    });
  }

  /** Half of a token's life is always used, and all but a margin of a long one. */
  renewIn(): number {
    if (!this.#stored) return 0;
    const { issued, expires } = this.#stored;
    return expires - Math.min(MARGIN_MS, (expires - issued) / 2) - Date.now();
  }

  /** A request with the access token, once more with another where it is not believed. */
  async call<T>(url: string, options: Omit<Call, "token"> = {}): Promise<T> {
    return this.withToken((token) => call<T>(url, { ...options, token }));
  }

  async withToken<T>(request: (token: string) => Promise<T>): Promise<T> {
    const token = await this.token();
    try {
      return await request(token);
    } catch (error) {
      if (!(error instanceof Refused && error.status === 401)) throw error;
      return request(await this.token(token));
    }
  }

  async #refresh({ refreshToken }: Stored): Promise<string> {
    try {
      const grant = await this.api.refresh(refreshToken);
      await this.#keep(grant);
      return grant.access_token;
    } catch (error) {
      if (!(error instanceof Refused && error.status === 401)) throw error;
      const now = await get<Stored>(KEY, this.#store);
      if (now && now.refreshToken !== refreshToken) return this.token(); // a tab without locks
      await this.#end("ended");
      throw new SessionEnded();
    }
  }

  async #keep({ access_token, expires_in, refresh_token, employee }: Grant): Promise<void> {
    const issued = Date.now();
    const stored: Stored = {
      employee,
      refreshToken: refresh_token,
      accessToken: access_token,
      issued,
      expires: issued + expires_in * 1000,
    };
    await set(KEY, stored, this.#store);
    this.farewell = null;
    this.#become(stored);
    this.#tabs.postMessage("changed");
  }

  async #end(farewell: Farewell): Promise<void> {
    if (!this.#stored) return;
    this.farewell = farewell;
    this.#become(null);
    await del(KEY, this.#store);
    this.#tabs.postMessage("changed");
  }

  async #reread(): Promise<void> {
    const stored = (await get<Stored>(KEY, this.#store)) ?? null;
    if (!stored && this.#stored) this.farewell = "logged_out";
    this.#become(stored);
  }

  #become(stored: Stored | null): void {
    const same = stored?.employee.id === this.#stored?.employee.id;
    // The same person stays the same object, for whoever compares.
    this.#stored = same && stored && this.#stored ? { ...stored, employee: this.#stored.employee } : stored;
    if (!same) for (const listener of this.#listeners) listener();
  }
}

/** One tab at a time, where the browser can do that: the service forgives the others. */
function locked<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request(KEY, work) : work();
}
