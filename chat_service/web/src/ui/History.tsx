import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";

import type { Conversation } from "../chat/conversation";
import type { Bubble, Row } from "../chat/rows";
import { useDesk, usePerson } from "./desk";
import { Down, Up } from "./icons";
import { MessageBubble } from "./MessageBubble";
import { dayName } from "./times";

const NEAR_START_PX = 900;
const NEAR_END_PX = 60;
const GESTURE_MS = 1_000;
/** As long as the list may take to measure its way to a place. */
const JUMP_MS = 400;

/** What was unread when one looked: after which position, and how much. */
export interface News {
  after: number;
  count: number;
}

interface Props {
  conversation: Conversation;
  rows: readonly Row[];
  /** Undefined until that is known. */
  news: News | null | undefined;
  edit: (bubble: Bubble) => void;
  remove: (bubble: Bubble) => void;
}

/** What was said. Only what is in view, and a little around it, is in the document. */
export function History({ conversation, rows, news, edit, remove }: Props) {
  const { chat } = useDesk();
  const { name } = usePerson(conversation.other);
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const [atEnd, setAtEnd] = useState(true);
  const stick = useRef(true);
  const moved = useRef(0);
  const jumped = useRef(0);
  const wanted = useRef(false);
  const placed = useRef(false);
  const prepended = usePrepended(rows);
  const { other, loaded, head, unread } = conversation;

  // What is measured late moves the end; `onResize` then comes here again.
  const toEnd = useCallback(() => {
    const element = scroller.current!;
    stick.current = true;
    jumped.current = 0;
    element.scrollTop = element.scrollHeight;
  }, []);

  const toRow = useCallback((index: number) => {
    jumped.current = Date.now();
    stick.current = false;
    list.current?.scrollToIndex(index, { align: "start", offset: -72 });
  }, []);

  const look = useCallback(() => {
    const element = scroller.current;
    const virtual = list.current;
    if (!element || !virtual || !placed.current) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    // Only a person leaves the end; by itself it moves away while messages are measured.
    if (Date.now() - jumped.current < JUMP_MS) stick.current = false;
    else if (below < NEAR_END_PX) stick.current = true;
    else if (Date.now() - moved.current < GESTURE_MS) stick.current = false;
    else if (stick.current) toEnd();
    setAtEnd(stick.current);
    const short = element.scrollHeight <= element.clientHeight;
    if (short || (!stick.current && element.scrollTop < NEAR_START_PX)) void chat.loadOlder(other);
    if (document.visibilityState !== "visible" || !document.hasFocus()) return;
    const lowest = rows[virtual.findItemIndex(element.scrollTop + element.clientHeight - 24)];
    if (stick.current) chat.read(other, head);
    else if (lowest?.kind === "bubble" && lowest.message.seq <= head) chat.read(other, lowest.message.seq);
  }, [chat, other, rows, head, toEnd]);

  // The first place: where the unread messages begin, else the end.
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0 || news === undefined) return;
    if (loaded === "nothing" || loaded === "loading") return;
    placed.current = true;
    const begin = rows.findIndex((row) => row.kind === "new");
    if (begin > 0) toRow(begin);
    else toEnd();
    requestAnimationFrame(() => look());
  }, [rows, loaded, news, toEnd, toRow, look]);

  // One's own message is always shown, another's if one was at the end.
  const lastKey = rows.at(-1)?.key;
  const lastOwn = rows.at(-1)?.kind === "bubble" && (rows.at(-1) as Bubble).delivery === "waiting";
  useLayoutEffect(() => {
    if (placed.current && (stick.current || lastOwn)) toEnd();
  }, [lastKey, lastOwn, toEnd]);

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

  const above = news && !rows.some((row) => row.kind === "new") && loaded !== "all";
  async function toFirstUnread(): Promise<void> {
    wanted.current = true;
    const missing = () => (chat.snapshot.conversations.get(other)?.messages[0]?.seq ?? 0) > news!.after + 1;
    while (missing() && (await chat.loadOlder(other)));
  }

  const settle = () => {
    if (!stick.current || !placed.current) return;
    toEnd();
    requestAnimationFrame(() => stick.current && scroller.current && toEnd());
  };
  const byHand = () => {
    moved.current = Date.now();
  };
  const newsAt = rows.findIndex((row) => row.kind === "new");
  useLayoutEffect(() => {
    if (!wanted.current || newsAt < 0) return;
    wanted.current = false;
    toRow(newsAt);
  }, [newsAt, toRow]);

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
        onWheel={byHand}
        onTouchMove={byHand}
        onPointerDown={byHand}
        onKeyDown={(event) => (event.key === "End" ? toEnd() : byHand())}
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
          onResize={settle}
        >
          {(row) => <Line key={row.key} row={row} name={name} edit={edit} remove={remove} />}
        </Virtualizer>
      </div>
      {rows.length === 0 && <Empty conversation={conversation} name={name} />}
      {above && (
        <button className="pill top" onClick={() => void toFirstUnread()}>
          <Up /> {news.count > 99 ? "99+" : news.count} unread
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
    case "typing":
      return <Typing />;
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
