import { expect, it } from "vitest";

import type { ChatApi } from "../src/chat/chat_api";
import { type Conversation, newConversation } from "../src/chat/conversation";
import { Histories } from "../src/chat/histories";
import type { HistoryView } from "../src/protocol";
import { message } from "./scripted_server";

const BOB = "bob@example.org";

it("loads one page at a time, and misses no entry that arrives meanwhile", async () => {
  const answers: Array<(page: HistoryView) => void> = [];
  const api = { history: () => new Promise<HistoryView>((answer) => answers.push(answer)) };
  let conversation: Conversation = newConversation(BOB);
  const histories = new Histories(api as unknown as ChatApi, "ann@example.org", {
    get: () => conversation,
    change: (_, change) => (conversation = change(conversation)),
  });
  const loads = [histories.loadNewest(BOB), histories.loadNewest(BOB), histories.loadNewest(BOB)];
  for (let turn = 1; turn <= loads.length; turn++) {
    await expect.poll(() => answers.length).toBe(turn);
    expect(conversation.loaded).toBe("loading");
    if (turn === 3) histories.arrived(BOB, message(2));
    answers.at(-1)!(page());
  }
  await Promise.all(loads);
  expect(conversation.messages.map(({ seq }) => seq)).toEqual([1, 2]);
});

function page(): HistoryView {
  const { type: _, conversation, participants, ...first } = message(1);
  return { conversation, participants, messages: [first], markers: [], has_more: false, head: 1 };
}
