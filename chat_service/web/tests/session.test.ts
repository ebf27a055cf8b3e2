import { IDBFactory } from "fake-indexeddb";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { SessionEnded } from "../src/client/connection";
import { Refused } from "../src/http";
import type { AuthApi, Grant } from "../src/session/auth_api";
import { Session } from "../src/session/session";

let service: ScriptedAuth;

beforeEach(() => {
  service = new ScriptedAuth();
  Tabs.all = [];
  vi.stubGlobal("indexedDB", new IDBFactory());
  vi.stubGlobal("BroadcastChannel", Tabs);
  vi.stubGlobal("navigator", { locks: new Locks() });
});

describe("tokens", () => {
  it("are refreshed once, however many tabs want to at the same time", async () => {
    const [one, two] = await tabs();
    service.life = 1000;
    const tokens = await Promise.all([one.token("access 1"), two.token("access 1"), one.token("access 1")]);
    expect(tokens).toEqual(["access 2", "access 2", "access 2"]);
    expect(service.used).toEqual(["refresh 1"]);
  });

  it("survive a refresh whose answer was lost", async () => {
    const [tab] = await tabs();
    service.failure = new Error("offline");
    await expect(tab.token("access 1")).rejects.toThrow("offline");
    service.failure = null;
    expect(await tab.token("access 1")).toBe("access 2");
    expect(tab.employee).not.toBeNull();
  });

  it("end with the session in all tabs, which know why", async () => {
    const [one, two] = await tabs();
    service.failure = new Refused(401, "invalid_credentials", "The session was ended.");
    await expect(one.token("access 1")).rejects.toThrow(SessionEnded);
    await vi.waitFor(() => expect(two.employee).toBeNull());
    expect([one.logoutReason, two.logoutReason]).toEqual(["ended", "ended"]);
  });

  it("are not restored by a refresh that was in flight during a logout", async () => {
    const [one, two] = await tabs();
    const token = one.token("access 1");
    service.hold();
    await vi.waitFor(() => expect(service.used).toHaveLength(1));
    await two.logOut();
    service.release();
    await expect(token).rejects.toThrow(SessionEnded);
    expect([one.employee, two.employee]).toEqual([null, null]);
    expect((await Session.open(api())).employee).toBeNull();
    expect(service.loggedOut).toContain("access 2");
  });
});

describe("logging out", () => {
  it("ends the session even if the access token has expired", async () => {
    const [tab] = await tabs();
    service.believed = "access 2";
    await tab.logOut();
    expect(service.loggedOut).toEqual(["access 2"]);
  });

  it("is neither undone, nor ends a later login, in a tab that hears of it late", async () => {
    const [one, two] = await tabs();
    Tabs.deaf = true;
    await one.logOut();
    await one.logIn("bob@example.org", "…");
    two.ended();
    await vi.waitFor(() => expect(two.login).toBe(one.login));
    expect(one.employee).not.toBeNull();
  });
});

it("is kept in the tab alone if the browser refuses storage", async () => {
  vi.stubGlobal("indexedDB", { open: () => { throw new DOMException("no", "SecurityError"); } });
  const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
  const tab = await Session.open(api());
  await tab.logIn("ann@example.org", "…");
  expect(await tab.token("access 1")).toBe("access 2");
  expect(await tab.token()).toBe("access 2");
  await tab.logOut();
  expect(tab.employee).toBeNull();
  expect(warned).toHaveBeenCalledOnce();
});

/** Two tabs of one browser, logged in. */
async function tabs(): Promise<[Session, Session]> {
  const one = await Session.open(api());
  await one.logIn("ann@example.org", "…");
  return [one, await Session.open(api())];
}

const api = () => service as unknown as AuthApi;

class ScriptedAuth {
  life = 600;
  failure: Error | null = null;
  used: string[] = [];
  loggedOut: string[] = [];
  believed: string | null = null;
  #granted = 0;
  #held: Promise<void> | null = null;
  release: () => void = () => undefined;

  hold(): void {
    this.#held = new Promise((released) => (this.release = released));
  }

  async logIn(email: string): Promise<Grant> {
    return this.#grant(email);
  }

  async refresh(token: string): Promise<Grant> {
    if (this.failure) throw this.failure;
    this.used.push(token);
    await Promise.resolve();
    await this.#held;
    return this.#grant("ann@example.org");
  }

  async logOut(token: string): Promise<void> {
    if (this.believed !== null && token !== this.believed) throw new Refused(401, "unauthorized", "Too old.");
    this.loggedOut.push(token);
  }

  #grant(email: string): Grant {
    this.#granted++;
    return {
      access_token: `access ${this.#granted}`,
      refresh_token: `refresh ${this.#granted}`,
      expires_in: this.life,
      employee: { id: email, name: email, email, department: null, role: null },
    };
  }
}

class Tabs {
  static all: Tabs[] = [];
  static deaf = false;
  onmessage?: (event: { data: unknown }) => void;

  constructor() {
    Tabs.all.push(this);
    Tabs.deaf = false;
  }

  postMessage(data: unknown): void {
    if (Tabs.deaf) return;
    for (const tab of Tabs.all) if (tab !== this) tab.onmessage?.({ data });
  }
}

class Locks {
  #last: Promise<unknown> = Promise.resolve();

  request<T>(_: string, work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
