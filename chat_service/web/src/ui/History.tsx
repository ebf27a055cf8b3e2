import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Virtualizer, type VirtualizerHandle } from "virtua";

import type { Conversation } from "../chat/conversation";
import type { Row } from "../chat/rows";
import { useDesk, usePerson } from "./desk";
import { EndFollower } from "./end_follower";
import { HistoryRow, type RowProps } from "./HistoryRow";
import { Down, Up } from "./icons";

const NEAR_START_PX = 900;
/** Above the first unread message: its separator stays in view. */
const JUMP_OFFSET_PX = -72;

const SCROLLING = ["ArrowUp", "PageUp", "Home", " ", "Tab"];

/** What was unread when one looked: after which position, and how much. */
export interface News {
  after: number;
  count: number;
}

interface Props extends Pick<RowProps, "edit" | "remove"> {
  conversation: Conversation;
  rows: readonly Row[];
  /** Undefined until that is known. */
  news: News | null | undefined;
}

/** What was said. Only what is in view, and a little around it, is in the document. */
export function History({ conversation, rows, news, edit, remove }: Props) {
  const { chat } = useDesk();
  const { name } = usePerson(conversation.other);
  const { other, loaded, older, head, unread } = conversation;
  const scroller = useRef<HTMLDivElement>(null);
  const list = useRef<VirtualizerHandle>(null);
  const [end] = useState(() => new EndFollower(() => scroller.current));
  const [atEnd, setAtEnd] = useState(true);
  const placed = useRef(false);
  const wanted = useRef(false);
  const prepended = usePrepended(rows);

  const look = useCallback(() => {
    const element = scroller.current;
    const virtual = list.current;
    if (!element || !virtual || !placed.current) return;
    end.moved();
    setAtEnd(end.following);
    const short = element.scrollHeight <= element.clientHeight;
    if (short || (!end.following && element.scrollTop < NEAR_START_PX)) void chat.loadOlder(other);
    if (document.visibilityState !== "visible" || !document.hasFocus()) return;
    const lowest = rows[virtual.findItemIndex(element.scrollTop + element.clientHeight - 24)];
    if (end.following) chat.read(other, head);
    else if (lowest?.kind === "bubble" && lowest.message.seq <= head) chat.read(other, lowest.message.seq);
  }, [chat, other, rows, head, end]);
  const latestLook = useRef(look);
  useLayoutEffect(() => {
    latestLook.current = look;
  });

  const toRow = useCallback(
    (index: number) => {
      const go = () => list.current?.scrollToIndex(index, { align: "start", offset: JUMP_OFFSET_PX });
      end.jump(go, () => latestLook.current());
    },
    [end],
  );

  // The first place: where the unread messages begin, else the end.
  useLayoutEffect(() => {
    if (placed.current || rows.length === 0 || news === undefined) return;
    if (loaded === "nothing" || loaded === "loading") return;
    placed.current = true;
    const begin = rows.findIndex((row) => row.kind === "new");
    if (begin > 0) toRow(begin);
    else end.toEnd();
    requestAnimationFrame(() => latestLook.current());
  }, [rows, loaded, news, end, toRow]);

  // One's own message is always shown, another's if one was at the end.
  const last = rows.at(-1);
  const lastKey = last?.key;
  const lastOwn = last?.kind === "bubble" && last.delivery === "waiting";
  const settle = useCallback(() => {
    if (!end.following || !placed.current) return;
    end.toEnd();
    requestAnimationFrame(() => end.following && end.toEnd());
  }, [end]);
  useLayoutEffect(() => {
    if (placed.current && (end.following || lastOwn)) end.toEnd();
  }, [lastKey, lastOwn, end]);

  // A keyboard, or a longer draft, makes the frame lower.
  useEffect(() => {
    const observer = new ResizeObserver(settle);
    observer.observe(scroller.current!);
    return () => observer.disconnect();
  }, [settle]);

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

  const newsAt = rows.findIndex((row) => row.kind === "new");
  const above = news && newsAt < 0 && loaded !== "all";
  async function toFirstUnread(): Promise<void> {
    wanted.current = true;
    const missing = () => (chat.snapshot.conversations.get(other)?.messages[0]?.seq ?? 0) > news!.after + 1;
    while (missing() && (await chat.loadOlder(other, true)));
    if (missing()) wanted.current = false;
  }
  useLayoutEffect(() => {
    if (!wanted.current || newsAt < 0) return;
    wanted.current = false;
    toRow(newsAt);
  }, [newsAt, toRow]);

  const byHand = () => end.gesture();
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
        onPointerDown={(event) => event.target === scroller.current && byHand() /* its scrollbar */}
        onKeyDown={({ key }) => (key === "End" ? end.toEnd() : SCROLLING.includes(key) && byHand())}
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
          {(row) => <HistoryRow key={row.key} row={row} name={name} edit={edit} remove={remove} />}
        </Virtualizer>
      </div>
      {rows.length === 0 && <Empty conversation={conversation} name={name} />}
      <div className="pills top">
        {above && (
          <button className="pill" onClick={() => void toFirstUnread()}>
            <Up /> {upTo99(news.count)} unread
          </button>
        )}
        {older === "loading" && (
          <p className="pill late" role="status">
            Loading older messages…
          </p>
        )}
        {older === "failed" && (
          <button className="pill" onClick={() => void chat.loadOlder(other, true)}>
            Older messages could not be loaded. Try again
          </button>
        )}
      </div>
      {!atEnd && (
        <div className="pills bottom">
          <button className="pill" onClick={() => end.toEnd()}>
            <Down />
            {unread === 0 && <span className="unseen">To the newest message</span>}
            {unread > 0 && (unread === 1 ? "1 new message" : `${upTo99(unread)} new messages`)}
          </button>
        </div>
      )}
    </div>
  );
}

function upTo99(count: number): string {
  return count > 99 ? "99+" : String(count);
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
  if (loaded !== "all")
    return (
      <p className="nobody inside late" role="status">
        Loading…
      </p>
    );
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
