// Who is logged in here, and the tokens: one session for all tabs of this browser.
//
// It is kept where scripts can read it. A cookie that they cannot read would need the auth service to
// be on the page's own site and guarded against forged requests; it may be anywhere. What scripts can
// read is as safe as the scripts are, so the page runs none but its own: the Content-Security-Policy
// allows no inline script, no other origin and no markup made of text.
//
// Refresh tokens are used once each. A tab takes a lock before it uses the present one and looks
// again when it has the lock: another tab may have been faster.

import { SessionEnded, type Tokens } from "../client/connection";
import { call, Refused, type Call } from "../http";
import { newId } from "../new_id";
import type { AuthApi, Employee, Grant } from "./auth_api";
import { type KeptSession, SessionStore } from "./kept_session";

const NAME = "session";
const MARGIN_MS = 90_000;

/** Why nobody is logged in, where it is not for the first time. */
export type Farewell = "logged_out" | "ended";
type News = "changed" | Farewell;

export class Session implements Tokens {
  farewell: Farewell | null = null;
  #now: KeptSession | null = null;
  #leaving = false;
  #listeners = new Set<() => void>();
  #store = new SessionStore();
  #tabs = new BroadcastChannel(NAME);

  private constructor(readonly api: AuthApi) {
    this.#tabs.onmessage = ({ data }: MessageEvent<News>) => {
      void this.#reread(data === "changed" ? undefined : data);
    };
  }

  static async open(api: AuthApi): Promise<Session> {
    const session = new Session(api);
    await session.#reread();
    return session;
  }

  get employee(): Employee | null {
    return this.#now?.employee ?? null;
  }

  /** Another one after each log-in. */
  get login(): string | null {
    return this.#now?.login ?? null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async logIn(email: string, password: string): Promise<void> {
    const session = keptOf(await this.api.logIn(email, password), newId());
    await this.#store.write(session);
    this.farewell = null;
    this.#become(session);
    this.#tell("changed");
  }

  /** Ends the session there too, where the service can be reached. */
  async logOut(): Promise<void> {
    const session = this.#now;
    await this.#end("logged_out");
    if (session) await this.#endThere(session).catch(() => undefined);
  }

  /** Ends all sessions of this person, this one too. */
  async logOutEverywhere(): Promise<void> {
    this.#leaving = true; // its end may be told before the answer comes
    try {
      await this.withToken((token) => this.api.logOutEverywhere(token));
      await this.#end("logged_out");
    } finally {
      this.#leaving = false;
    }
  }

  /** The service ended it. */
  ended(): void {
    void this.#end(this.#leaving ? "logged_out" : "ended");
  }

  async token(refused?: string): Promise<string> {
    const usable = () => this.#now && this.#now.accessToken !== refused && this.renewIn() > 0;
    if (usable()) return this.#now!.accessToken;
    return locked(async () => {
      await this.#reread();
      if (!this.#now) throw new SessionEnded();
      return usable() ? this.#now.accessToken : this.#refresh(this.#now);
    });
  }

  /** Half of a token's life is always used, and all but a margin of a long one. */
  renewIn(): number {
    if (!this.#now) return 0;
    const { issued, expires } = this.#now;
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
      if (!isUnauthorized(error)) throw error;
      return request(await this.token(token));
    }
  }

  async #refresh({ login, refreshToken }: KeptSession): Promise<string> {
    let grant: Grant;
    try {
      grant = await this.api.refresh(refreshToken);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.#reread();
      const other = this.#now; // of a tab without locks, or of another log-in
      if (other && other.refreshToken !== refreshToken) return other.accessToken;
      await this.#end("ended");
      throw new SessionEnded();
    }
    const session = keptOf(grant, login);
    if (!(await this.#store.replace(login, session))) {
      // One logged out meanwhile, in this tab or another: that holds.
      await this.#reread("logged_out");
      void this.api.logOut(grant.access_token).catch(() => undefined);
      throw new SessionEnded();
    }
    this.#become(session);
    this.#tell("changed");
    return session.accessToken;
  }

  async #end(farewell: Farewell): Promise<void> {
    const session = this.#now;
    if (!session) return;
    this.farewell = farewell;
    this.#become(null);
    if (await this.#store.replace(session.login, null)) this.#tell(farewell);
    else await this.#reread(); // another tab has logged in again
  }

  /** With another access token, where the present one is too old, as after a night's sleep. */
  async #endThere({ accessToken, refreshToken }: KeptSession): Promise<void> {
    try {
      await this.api.logOut(accessToken);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.api.logOut((await this.api.refresh(refreshToken)).access_token);
    }
  }

  async #reread(why: Farewell = "logged_out"): Promise<void> {
    const session = await this.#store.read();
    if (!session && this.#now) this.farewell = why;
    this.#become(session);
  }

  #become(session: KeptSession | null): void {
    const before = this.#now;
    const same = session?.login === before?.login;
    // The same person stays the same object, for whoever compares.
    this.#now = same && session && before ? { ...session, employee: before.employee } : session;
    if (!same) for (const listener of this.#listeners) listener();
  }

  #tell(news: News): void {
    this.#tabs.postMessage(news);
  }
}

function keptOf({ access_token, expires_in, refresh_token, employee }: Grant, login: string): KeptSession {
  const issued = Date.now();
  return {
    login,
    employee,
    refreshToken: refresh_token,
    accessToken: access_token,
    issued,
    expires: issued + expires_in * 1000,
  };
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof Refused && error.status === 401;
}

/** One tab at a time, where the browser can do that: the service forgives the others. */
function locked<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request(NAME, work) : work();
}
