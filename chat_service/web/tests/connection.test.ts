import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { backoff } from "../src/client/backoff";
import { Connection, SessionEnded } from "../src/client/connection";
import { after, lastSocket, ScriptedSocket, ScriptedTokens, settled } from "./scripted_server";

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
  await settled();
});

afterEach(() => {
  connection.stop();
  vi.useRealTimers();
});

describe("connecting", () => {
  it("says who it is in the first frame, not in the address", () => {
    lastSocket().accept();
    expect(lastSocket().url).toBe("ws://chat.example/ws");
    expect(lastSocket().ops).toEqual([{ type: "auth", token: "token-1" }]);
    expect(connection.online).toBe(false);
  });

  it("is online once it is welcome", async () => {
    await lastSocket().welcome();
    expect(states).toEqual(["connecting", "online"]);
    expect(events).toEqual(["welcome"]);
  });

  it("tries another socket where no welcome comes", async () => {
    lastSocket().accept();
    await after(15_000 + 500);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("waits where there is no token for the moment, and stops where the session ended", async () => {
    tokens.problem = new Error("offline");
    await lastSocket().welcome();
    lastSocket().end(1006);
    await after(500);
    expect(states.at(-1)).toBe("waiting");
    tokens.problem = new SessionEnded();
    await after(1_000);
    expect(states.at(-1)).toBe("session_ended");
  });
});

describe("coming back", () => {
  it("waits longer each time, up to half a minute", async () => {
    const waits = [];
    for (let attempt = 0; attempt < 9; attempt++) {
      lastSocket().end(1006);
      const state = connection.state;
      if (state.name === "waiting") waits.push(state.until - Date.now());
      await after(waits.at(-1)!);
    }
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  });

  it("does not wait the same as everybody", () => {
    expect(backoff(4, () => 0)).toBe(4000);
    expect(backoff(4, () => 0.5)).toBe(6000);
    expect(backoff(0, () => 0)).toBe(0);
  });

  it("begins anew after a time of being online", async () => {
    for (let attempt = 0; attempt < 4; attempt++) {
      lastSocket().end(1006);
      await after(60_000);
    }
    await lastSocket().welcome();
    await after(11_000);
    lastSocket().end(1006);
    await after(500);
    expect(states.at(-1)).toBe("connecting");
  });

  it("waits as long as an instance that goes away asks it to", async () => {
    await lastSocket().welcome();
    lastSocket().say({ type: "going_away", reconnect_after_ms: 3_000 });
    lastSocket().end(1012);
    await after(2_900);
    expect(ScriptedSocket.all).toHaveLength(1);
    await after(100);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("leaves an instance that goes away without closing", async () => {
    await lastSocket().welcome();
    lastSocket().say({ type: "going_away", reconnect_after_ms: 2_000 });
    await after(2_000);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it.each([1006, 1009, 1012, 1013, 4001, 4002, 4003])("does after %i", async (code) => {
    await lastSocket().welcome();
    lastSocket().end(code);
    expect(states.at(-1)).toBe("waiting");
    await after(5_000);
    expect(ScriptedSocket.all.length).toBeGreaterThan(1);
  });

  it.each([
    [4502, "session_ended"],
    [4503, "refused"],
    [4504, "too_many_connections"],
    [4999, "refused"],
  ])("does not after %i", async (code, why) => {
    await lastSocket().welcome();
    lastSocket().end(code);
    await after(120_000);
    expect(states.at(-1)).toBe(why);
    expect(ScriptedSocket.all).toHaveLength(1);
  });

  it("gets another token where one is not believed, once", async () => {
    lastSocket().accept();
    lastSocket().end(4501);
    await after(500);
    expect(tokens.refused).toEqual([undefined, "token-1"]);
    lastSocket().accept();
    expect(lastSocket().ops).toEqual([{ type: "auth", token: "token-1+" }]);
    lastSocket().end(4501);
    expect(states.at(-1)).toBe("session_ended");
  });

  it("can be told to, while it waits and after it gave up", async () => {
    lastSocket().end(4504);
    connection.retry();
    await settled();
    expect(ScriptedSocket.all).toHaveLength(2);
    lastSocket().end(1006);
    connection.retry();
    await settled();
    expect(ScriptedSocket.all).toHaveLength(3);
  });

  it("takes no notice of what an older socket still says", async () => {
    const older = await lastSocket().welcome();
    older.end(1006);
    await after(500);
    older.say({ type: "resync", reason: "late" });
    older.end(4502);
    expect(events).toEqual(["welcome"]);
    expect(states.at(-1)).toBe("connecting");
  });
});

describe("staying", () => {
  it("asks a silent line for a sign of life, and leaves it where none comes", async () => {
    await lastSocket().welcome();
    await after(20_000);
    expect(lastSocket().taken("ping")).toHaveLength(1);
    lastSocket().say({ type: "pong" });
    await after(10_000);
    expect(ScriptedSocket.all).toHaveLength(1);
    await after(40_000);
    expect(ScriptedSocket.all.length).toBeGreaterThan(1);
  });

  it("finds out at once when something happened to the device", async () => {
    await lastSocket().welcome();
    connection.check(3_000);
    await after(3_500);
    expect(ScriptedSocket.all).toHaveLength(2);
  });

  it("replaces its token in time, on the socket that it has", async () => {
    await lastSocket().welcome();
    tokens.present = "token-2";
    tokens.life = 0;
    lastSocket().say({ type: "token_expiring", expires_at: "2026-01-01T00:10:00Z" });
    tokens.life = 510_000;
    await after(1);
    expect(lastSocket().taken("auth").map(({ token }) => token)).toEqual(["token-1", "token-2"]);
  });

  it("tries again where no token could be had", async () => {
    await lastSocket().welcome();
    tokens.problem = new Error("offline");
    tokens.life = 10;
    lastSocket().say({ type: "token_expiring", expires_at: "2026-01-01T00:10:00Z" });
    await after(20);
    tokens.problem = null;
    tokens.present = "token-2";
    tokens.life = 510_000;
    await after(5_000);
    expect(lastSocket().taken("auth").at(-1)!.token).toBe("token-2");
  });
});
