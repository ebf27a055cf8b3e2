import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { backoff } from "../src/client/backoff";
import { Connection, SessionEnded } from "../src/client/connection";
import { advance, lastSocket, ScriptedSocket, ScriptedTokens, flushMicrotasks } from "./scripted_server";

let tokens: ScriptedTokens;
let states: string[];
let events: string[];
let connection: Connection;

beforeEach(async () => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", ScriptedSocket);
  ScriptedSocket.all = [];
  tokens = new ScriptedTokens();
  states = [];
  events = [];
  connection = new Connection(
    "ws://chat.example/ws",
    tokens,
    {
      changed: (state) => states.push(state.name === "stopped" ? state.why : state.name),
      welcome: () => events.push("welcome"),
      event: (event) => events.push(event.type),
    },
    () => 1,
  );
  connection.start();
  await flushMicrotasks();
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

describe("connecting", () => {
  it("authenticates in the first frame, not in the URL", () => {
    lastSocket().accept();
    expect(lastSocket().url).toBe("ws://chat.example/ws");
    expect(lastSocket().ops).toEqual([{ type: "auth", token: "token-1" }]);
    expect(connection.online).toBe(false);
  });

  it("is online after the welcome", async () => {
    await lastSocket().welcome();
    expect(states).toEqual(["connecting", "online"]);
    expect(events).toEqual(["welcome"]);
  });

  it("tries another socket if no welcome arrives", async () => {
    lastSocket().accept();
    await advance(15_000 + 500);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("waits if there is no token for now, and stops if the session has ended", async () => {
    tokens.problem = new Error("offline");
    await lastSocket().welcome();
    lastSocket().end(1006);
    await advance(500);
    expect(states.at(-1)).toBe("waiting");
    tokens.problem = new SessionEnded();
    await advance(1_000);
    expect(states.at(-1)).toBe("session_ended");
  });
});

describe("reconnecting", () => {
  it("waits longer each time, up to half a minute", async () => {
    const waits = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      lastSocket().end(1006);
      const state = connection.state;
      if (state.name === "waiting") waits.push(state.until - Date.now());
      await advance(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  it("waits with jitter", () => {
    expect(backoff(4, () => 0)).toBe(4000);
    expect(backoff(4, () => 0.5)).toBe(6000);
    expect(backoff(0, () => 0)).toBe(0);
  });

  it("starts over after some time online", async () => {
    for (let attempt = 0; attempt < 4; attempt++) {
      lastSocket().end(1006);
      await advance(60_000);
    }
    await lastSocket().welcome();
    await advance(11_000);
    lastSocket().end(1006);
    await advance(500);
    expect(states.at(-1)).toBe("connecting");
  });

  it("waits as long as an instance that shuts down asks", async () => {
    await lastSocket().welcome();
    lastSocket().say({ type: "going_away", reconnect_after_ms: 3_000 });
    lastSocket().end(1012);
    await advance(2_900);
    expect(ScriptedSocket.all).toHaveLength(1);
    await advance(100);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("leaves an instance that shuts down without closing", async () => {
    await lastSocket().welcome();
    lastSocket().say({ type: "going_away", reconnect_after_ms: 2_000 });
    await advance(2_000);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it.each([1006, 1009, 1012, 1013, 4001, 4002, 4003])("happens after %i", async (code) => {
    await lastSocket().welcome();
    lastSocket().end(code);
    expect(states.at(-1)).toBe("waiting");
    await advance(5_000);
    expect(ScriptedSocket.all.length).toBeGreaterThan(1);
  });

  it.each([
    [4502, "session_ended"],
    [4503, "refused"],
    [4504, "too_many_connections"],
    [4999, "refused"],
  ])("does not happen after %i", async (code, why) => {
    await lastSocket().welcome();
    lastSocket().end(code);
    await advance(120_000);
    expect(states.at(-1)).toBe(why);
    expect(ScriptedSocket.all).toHaveLength(1);
  });

  it("gets another token if one is rejected, once", async () => {
    lastSocket().accept();
    lastSocket().end(4501);
    await advance(500);
    expect(tokens.refused).toEqual([undefined, "token-1"]);
    lastSocket().accept();
    expect(lastSocket().ops).toEqual([{ type: "auth", token: "token-1+" }]);
    lastSocket().end(4501);
    expect(states.at(-1)).toBe("session_ended");
  });

  it("can be requested while waiting and after stopping", async () => {
    lastSocket().end(4504);
    connection.retry();
    await flushMicrotasks();
    expect(ScriptedSocket.all).toHaveLength(2);
    lastSocket().end(1006);
    connection.retry();
    await flushMicrotasks();
    expect(ScriptedSocket.all).toHaveLength(3);
  });

  it("ignores whatever an earlier socket still delivers", async () => {
    const older = await lastSocket().welcome();
    older.end(1006);
    await advance(500);
    older.say({ type: "resync", reason: "late" });
    older.end(4502);
    expect(events).toEqual(["welcome"]);
    expect(states.at(-1)).toBe("connecting");
  });
});

describe("staying connected", () => {
  it("pings a silent connection, and drops it if no answer arrives", async () => {
    await lastSocket().welcome();
    await advance(20_000);
    expect(lastSocket().received("ping")).toHaveLength(1);
    lastSocket().say({ type: "pong" });
    await advance(10_000);
    expect(ScriptedSocket.all).toHaveLength(1);
    await advance(40_000);
    expect(ScriptedSocket.all.length).toBeGreaterThan(1);
  });

  it("checks the connection at once when the device asks", async () => {
    await lastSocket().welcome();
    connection.check(3_000);
    await advance(3_500);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("renews its token in time on the same socket", async () => {
    await lastSocket().welcome();
    tokens.present = "token-2";
    tokens.life = 0;
    lastSocket().say({ type: "token_expiring", expires_at: "2026-01-01T00:10:00Z" });
    tokens.life = 510_000;
    await advance(1);
    expect(lastSocket().received("auth").map(({ token }) => token)).toEqual(["token-1", "token-2"]);
  });

  it("retries if it cannot get a token", async () => {
    await lastSocket().welcome();
    tokens.problem = new Error("offline");
    tokens.life = 10;
    lastSocket().say({ type: "token_expiring", expires_at: "2026-01-01T00:10:00Z" });
    await advance(20);
    tokens.problem = null;
    tokens.present = "token-2";
    tokens.life = 510_000;
    await advance(5_000);
    expect(lastSocket().received("auth").at(-1)!.token).toBe("token-2");
  });
});
