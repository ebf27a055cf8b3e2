import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";

import type { Conversation } from "../chat/conversation";
import type { Bubble, Row } from "../chat/rows";
import { useDesk, usePerson, useSnapshot } from "./desk";
import { Down, Up } from "./icons";
import { MessageBubble } from "./MessageBubble";
import { dayName } from "./times";

const NEAR_START_PX = 900;
const NEAR_END_PX = 60;

interface Props {
  conversation: Conversation;
  rows: readonly Row[];
  firstUnread: number | null;
  edit: (bubble: Bubble) => void;
  remove: (bubble: Bubble) => void;
}

/** What was said. Only what is in view, and a little around it, is in the document. */
export function History({ conversation, rows, firstUnread, edit, remove }: Props) {
  const { chat } = useDesk();
  const { typing } = useSnapshot();
  const { name } = usePerson(conversation.other);
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const [atEnd, setAtEnd] = useState(true);
  const stick = useRef(true);
  const placed = useRef(false);
  const prepended = usePrepended(rows);
  const { other, loaded, head, unread } = conversation;
  const isTyping = typing.has(other);

  const toEnd = useCallback((smooth = false) => {
    list.current?.scrollToIndex(rows.length - 1, { align: "end", smooth });
    // What is measured late moves the end: the scroller itself knows it best.
    const element = scroller.current;
    if (element && !smooth) element.scrollTop = element.scrollHeight;
  }, [rows.length]);

  const look = useCallback(() => {
    const element = scroller.current;
    const virtual = list.current;
    if (!element || !virtual || !placed.current) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    stick.current = below < NEAR_END_PX;
    setAtEnd(stick.current);
    if (element.scrollTop < NEAR_START_PX) void chat.loadOlder(other);
    if (document.visibilityState !== "visible" || !document.hasFocus()) return;
    const lowest = rows[virtual.findItemIndex(element.scrollTop + element.clientHeight - 24)];
    if (stick.current) chat.read(other, head);
    else if (lowest?.kind === "bubble" && lowest.message.seq <= head) chat.read(other, lowest.message.seq);
  }, [chat, other, rows, head]);

  // The first place: where the unread messages begin, else the end.
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0 || loaded === "loading") return;
    placed.current = true;
    const news = rows.findIndex((row) => row.kind === "new");
    if (news > 0) list.current?.scrollToIndex(news, { align: "start", offset: -72 });
    else toEnd();
    requestAnimationFrame(() => {
      if (news <= 0) toEnd();
      look();
    });
  }, [rows, loaded, toEnd, look]);

  // One's own message is always shown, another's if one was at the end.
  const lastKey = rows.at(-1)?.key;
  const lastOwn = rows.at(-1)?.kind === "bubble" && (rows.at(-1) as Bubble).delivery === "waiting";
  useLayoutEffect(() => {
    if (placed.current && (stick.current || lastOwn)) toEnd();
  }, [lastKey, lastOwn, isTyping, toEnd]);

  useEffect(() => {
    look();
    const again = () => look();
    window.addEventListener("focus", again);
    document.addEventListener("visibilitychange", again);
    return () => {
      window.removeEventListener("focus", again);
      document.removeEventListener("visibilitychange", again);
    };
  }, [look]);

  const above = firstUnread !== null && !rows.some((row) => row.kind === "new" || reaches(row, firstUnread));
  async function toFirstUnread(): Promise<void> {
    while (firstUnread !== null) {
      const { messages } = chat.snapshot.conversations.get(other)!;
      if (messages[0]!.seq <= firstUnread + 1 || !(await chat.loadOlder(other))) break;
    }
    requestAnimationFrame(() => {
      const news = scroller.current?.dataset.news;
      if (news) list.current?.scrollToIndex(Number(news), { align: "start", offset: -72 });
    });
  }

  return (
    <div className="history-frame">
      <div
        className="history"
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label={`Messages with ${name}`}
        aria-busy={loaded === "loading"}
        tabIndex={0}
        data-news={rows.findIndex((row) => row.kind === "new")}
        data-count={rows.length}
      >
        <div className="history-space" />
        <Virtualizer
          ref={list}
          scrollRef={scroller}
          data={rows}
          shift={prepended}
          bufferSize={500}
          onScroll={look}
          onResize={() => stick.current && placed.current && toEnd()}
        >
          {(row) => <Line key={row.key} row={row} name={name} edit={edit} remove={remove} />}
        </Virtualizer>
        {isTyping && <Typing />}
      </div>
      {rows.length === 0 && <Empty conversation={conversation} name={name} />}
      {above && (
        <button className="pill top" onClick={() => void toFirstUnread()}>
          <Up /> {unread > 99 ? "99+" : Math.max(unread, 1)} unread
        </button>
      )}
      {!atEnd && (
        <button className="pill bottom" onClick={() => toEnd()}>
          <Down />
          {unread > 0 ? (unread === 1 ? "1 new message" : `${unread > 99 ? "99+" : unread} new messages`) : <span className="unseen">To the newest message</span>}
        </button>
      )}
    </div>
  );
}

function Line({ row, name, edit, remove }: Pick<Props, "edit" | "remove"> & { row: Row; name: string }) {
  switch (row.kind) {
    case "day":
      return (
        <div className="day" role="separator" aria-label={dayName(row.day)}>
          <span aria-hidden="true">{dayName(row.day)}</span>
        </div>
      );
    case "new":
      return (
        <div className="news" role="separator" aria-label="New messages">
          <span aria-hidden="true">New messages</span>
        </div>
      );
    case "bubble":
      return <MessageBubble bubble={row} name={name} edit={edit} remove={remove} />;
  }
}

function Typing() {
  return (
    <div className="typing" aria-hidden="true" data-testid="typing">
      <span />
      <span />
      <span />
    </div>
  );
}

function Empty({ conversation: { other, loaded }, name }: { conversation: Conversation; name: string }) {
  const { chat } = useDesk();
  if (loaded === "failed")
    return (
      <div className="nobody inside">
        <p>The messages could not be loaded.</p>
        <button className="button" onClick={() => void chat.open(other)}>
          Try again
        </button>
      </div>
    );
  if (loaded !== "all") return <p className="nobody inside" role="status">Loading…</p>;
  return (
    <div className="nobody inside">
      <p>This is the beginning of your conversation with {name}.</p>
      <p>Say hello.</p>
    </div>
  );
}

function reaches(row: Row, seq: number): boolean {
  return row.kind === "bubble" && row.message.seq <= seq;
}

/** Whether rows came in front of those that were there, so that the view must not move. */
function usePrepended(rows: readonly Row[]): boolean {
  const before = useRef(rows);
  const first = (all: readonly Row[]) => all.find((row) => row.kind === "bubble")?.key;
  const prepended = before.current.length > 0 && rows.length > 0 && first(before.current) !== first(rows);
  useLayoutEffect(() => {
    before.current = rows;
  });
  return prepended;
}
