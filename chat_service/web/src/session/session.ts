// Who is logged in, and the tokens: one session for all tabs of this browser.
//
// A refresh token can be used once. A tab takes a lock before it uses the stored one, and reads it
// again under the lock: another tab may have been faster. README.md says why scripts can read it.

import { SessionEnded, type Tokens } from "../client/connection";
import { call, Refused, type Call } from "../http";
import { newId } from "../new_id";
import type { AuthApi, Employee, Grant } from "./auth_api";
import { SessionStore, type StoredSession } from "./session_store";

const NAME = "session";
const MARGIN_MS = 90_000;

/** `ended`: by the service, not by the person. */
export type LogoutReason = "logged_out" | "ended";
/** What tabs tell each other. */
type TabMessage = "changed" | LogoutReason;

/**
 * `reason` is null if nobody was logged in before. `leaving`: the person ends all sessions; if the
 * service reports the end of this one meanwhile, `logOut` follows anyway.
 */
type State =
  | { readonly name: "logged_out"; readonly reason: LogoutReason | null }
  | { readonly name: "logged_in" | "leaving"; readonly session: StoredSession };

export class Session implements Tokens {
  #state: State = { name: "logged_out", reason: null };
  #listeners = new Set<() => void>();
  #store = new SessionStore();
  #tabs = new BroadcastChannel(NAME);

  private constructor(readonly api: AuthApi) {
    this.#tabs.onmessage = ({ data }: MessageEvent<TabMessage>) => {
      void this.#reread(data === "changed" ? undefined : data);
    };
  }

  static async open(api: AuthApi): Promise<Session> {
    const session = new Session(api);
    await session.#reread();
    return session;
  }

  get employee(): Employee | null {
    return this.#session?.employee ?? null;
  }

  /** Different after each login. */
  get login(): string | null {
    return this.#session?.login ?? null;
  }

  /** Why nobody is logged in; null if somebody is, or nobody was before. */
  get logoutReason(): LogoutReason | null {
    return this.#state.name === "logged_out" ? this.#state.reason : null;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  async logIn(email: string, password: string): Promise<void> {
    const session = storedSession(await this.api.logIn(email, password), newId());
    await this.#store.write(session);
    this.#become(session);
    this.#tell("changed");
  }

  /** Logs out here, and at the service if it can be reached. */
  async logOut(): Promise<void> {
    const session = this.#session;
    const over = this.#state.name === "leaving";
    await this.#end("logged_out");
    if (session && !over) await this.#endAtService(session).catch(() => undefined);
  }

  /** Ends all sessions of this person at the service. `logOut` has to follow for this one. */
  async endAll(): Promise<void> {
    this.#rename("leaving"); // the end may be reported before the answer arrives
    try {
      await this.withToken((token) => this.api.logOutEverywhere(token));
    } catch (error) {
      this.#rename("logged_in");
      throw error;
    }
  }

  /** The service reported that the session has ended. */
  ended(): void {
    if (this.#state.name !== "leaving") void this.#end("ended");
  }

  async token(refused?: string): Promise<string> {
    const usable = () => {
      const token = this.#session?.accessToken;
      return token !== refused && this.renewIn() > 0 ? token : undefined;
    };
    return (
      usable() ??
      locked(async () => {
        await this.#reread();
        const session = this.#session;
        if (!session) throw new SessionEnded();
        return usable() ?? this.#refresh(session);
      })
    );
  }

  /** A token is used for at least half of its life; a long-lived one until 90 s before its end. */
  renewIn(): number {
    if (!this.#session) return 0;
    const { issued, expires } = this.#session;
    return expires - Math.min(MARGIN_MS, (expires - issued) / 2) - Date.now();
  }

  /** A request with the access token, repeated once with a new one if that is rejected. */
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

  async #refresh({ login, refreshToken }: StoredSession): Promise<string> {
    let grant: Grant;
    try {
      grant = await this.api.refresh(refreshToken);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.#reread();
      const other = this.#session; // written by a tab without locks, or by another login
      if (other && other.refreshToken !== refreshToken) return other.accessToken;
      await this.#end("ended");
      throw new SessionEnded();
    }
    const session = storedSession(grant, login);
    if (!(await this.#store.replace(login, session))) {
      // The person logged out meanwhile, in this tab or another, and stays logged out.
      await this.#reread("logged_out");
      void this.api.logOut(grant.access_token).catch(() => undefined);
      throw new SessionEnded();
    }
    this.#become(session);
    this.#tell("changed");
    return session.accessToken;
  }

  async #end(reason: LogoutReason): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#become(null, reason);
    if (await this.#store.replace(session.login, null)) this.#tell(reason);
    else await this.#reread(); // another tab has logged in again
  }

  /** Refreshes the access token first if it has expired, as after a night's sleep. */
  async #endAtService({ accessToken, refreshToken }: StoredSession): Promise<void> {
    try {
      await this.api.logOut(accessToken);
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      await this.api.logOut((await this.api.refresh(refreshToken)).access_token);
    }
  }

  async #reread(reason?: LogoutReason): Promise<void> {
    this.#become(await this.#store.read(), reason);
  }

  get #session(): StoredSession | null {
    return this.#state.name === "logged_out" ? null : this.#state.session;
  }

  /** The only place where somebody gets logged in or out. */
  #become(session: StoredSession | null, reason: LogoutReason = "logged_out"): void {
    const before = this.#session;
    if (session && session.login === before?.login) {
      const name = this.#state.name === "leaving" ? "leaving" : "logged_in";
      // The employee stays the same object, so that it can be compared.
      this.#state = { name, session: { ...session, employee: before.employee } };
    } else if (session || before) {
      this.#state = session ? { name: "logged_in", session } : { name: "logged_out", reason };
      for (const listener of this.#listeners) listener();
    }
  }

  #rename(name: "logged_in" | "leaving"): void {
    const session = this.#session;
    if (session) this.#state = { name, session };
  }

  #tell(message: TabMessage): void {
    this.#tabs.postMessage(message);
  }
}

function storedSession(grant: Grant, login: string): StoredSession {
  const issued = Date.now();
  return {
    login,
    employee: grant.employee,
    refreshToken: grant.refresh_token,
    accessToken: grant.access_token,
    issued,
    expires: issued + grant.expires_in * 1000,
  };
}

function isUnauthorized(error: unknown): boolean {
  return error instanceof Refused && error.status === 401;
}

/** One tab at a time if the browser has locks; the service tolerates tabs that refresh at once. */
function locked<T>(work: () => Promise<T>): Promise<T> {
  return navigator.locks ? navigator.locks.request(NAME, work) : work();
}
