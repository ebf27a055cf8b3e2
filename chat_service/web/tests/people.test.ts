import { beforeEach, describe, expect, it, vi } from "vitest";

import { People } from "../src/chat/people";
import { Refused } from "../src/http";
import type { Session } from "../src/session/session";

const BOB = { email: "bob@example.org", name: "Bob Okafor", department: null };

describe("names of people", () => {
  let answers: Array<unknown>;
  let people: People;

  beforeEach(() => {
    vi.useFakeTimers();
    answers = [];
    const session = {
      api: {},
      withToken: async () => {
        const answer = answers.shift();
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    people = new People(session as unknown as Session);
  });

  it("are addresses until the directory answers, and never invented", async () => {
    answers = [BOB];
    expect(people.get(BOB.email).name).toBe("bob@example.org");
    await vi.runAllTimersAsync();
    expect(people.get(BOB.email).name).toBe("Bob Okafor");
  });

  it("are loaded again if the directory refused for now", async () => {
    answers = [new Refused(429, "rate_limited", "", [], 700), BOB];
    people.get(BOB.email);
    await vi.advanceTimersByTimeAsync(600);
    expect(answers).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(people.get(BOB.email).name).toBe("Bob Okafor");
  });

  it("of people who do not exist are loaded once", async () => {
    answers = [new Refused(404, "unknown_employee", ""), BOB];
    people.get(BOB.email);
    await vi.runAllTimersAsync();
    expect(people.get(BOB.email).name).toBe("bob@example.org");
    expect(answers).toHaveLength(1);
  });
});
