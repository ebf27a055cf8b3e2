// Where a history is scrolled to, and what follows from it: marking as read, loading older pages.

import { createRef, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { KeyboardEvent, PointerEvent } from "react";
import type { VirtualizerHandle } from "virtua";

import type { Conversation } from "../chat/conversation";
import type { Row } from "../chat/rows";
import { EndFollower } from "./end_follower";
import { useWorkspace } from "./workspace_context";

const NEAR_START_PX = 900;
const BOTTOM_MARGIN_PX = 24;
/** Keeps the separator above the first unread message in view. */
const JUMP_OFFSET_PX = -72;
const SCROLL_KEYS = ["ArrowUp", "PageUp", "Home", " ", "Tab"];

/** What was unread when the conversation was opened: `count` messages after position `after`. */
export interface Unread {
  after: number;
  count: number;
}

export interface Shown {
  conversation: Conversation;
  rows: readonly Row[];
  /** Undefined until it is known. */
  unread: Unread | null | undefined;
}

/** Returns the props of the scroller and of the list in it, and what is needed for its buttons. */
export function useHistoryScroll(shown: Shown) {
  const [view] = useState(newView);
  const shift = usePrepended(shown.rows);
  const { look, atEnd } = useLook(view, shown);
  useFirstPosition(view, shown);
  const onResize = useEnd(view, shown);
  const toFirstUnread = useFirstUnread(view, shown);
  const { end, list, scroller } = view;
  const toEnd = () => end.toEnd();
  const gesture = () => end.gesture();
  return {
    atEnd,
    toEnd,
    toFirstUnread,
    scroller: {
      ref: scroller,
      onWheel: gesture,
      onTouchMove: gesture,
      /** On the scroller itself, which is its scrollbar. */
      onPointerDown: ({ target }: PointerEvent) => target === scroller.current && gesture(),
      onKeyDown: ({ key }: KeyboardEvent) =>
        key === "End" ? toEnd() : SCROLL_KEYS.includes(key) && gesture(),
    },
    list: { ref: list, scrollRef: scroller, shift, onScroll: look, onResize },
  };
}

type View = ReturnType<typeof newView>;

function newView() {
  const scroller = createRef<HTMLDivElement>();
  return {
    scroller,
    list: createRef<VirtualizerHandle>(),
    end: new EndFollower(() => scroller.current),
    /** Whether the first position was found. Nothing is loaded or marked as read before. */
    placed: false,
    /** The latest `look`, for callbacks that outlive a render. */
    look: (): void => undefined,
  };
}

function scrollToRow(view: View, index: number): void {
  const position = { align: "start", offset: JUMP_OFFSET_PX } as const;
  view.end.jump(() => view.list.current?.scrollToIndex(index, position), () => view.look());
}

/** Looks at what is in view when that may have changed. */
function useLook(view: View, { conversation: { other, head }, rows }: Shown) {
  const { chat } = useWorkspace();
  const [atEnd, setAtEnd] = useState(true);
  const look = useCallback(() => {
    const element = view.scroller.current;
    const list = view.list.current;
    if (!element || !list || !view.placed) return;
    const { end } = view;
    end.moved();
    setAtEnd(end.following);
    const short = element.scrollHeight <= element.clientHeight;
    if (short || (!end.following && element.scrollTop < NEAR_START_PX)) void chat.loadOlder(other);
    if (document.visibilityState !== "visible" || !document.hasFocus()) return;
    const bottom = element.scrollTop + element.clientHeight - BOTTOM_MARGIN_PX;
    const lowest = rows[list.findItemIndex(bottom)];
    const seq = lowest?.kind === "bubble" ? lowest.message.seq : Infinity;
    if (end.following) chat.read(other, head);
    else if (seq <= head) chat.read(other, seq);
  }, [chat, other, rows, head, view]);
  useLayoutEffect(() => {
    view.look = look;
  });
  useEffect(() => {
    look();
    window.addEventListener("focus", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      window.removeEventListener("focus", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [look]);
  return { look, atEnd };
}

/** Begins at the first unread message, otherwise at the end. */
function useFirstPosition(view: View, { conversation: { loaded }, rows, unread }: Shown): void {
  useLayoutEffect(() => {
    if (view.placed || rows.length === 0 || unread === undefined) return;
    if (loaded === "nothing" || loaded === "loading") return;
    view.placed = true;
    const index = newsIndex(rows);
    if (index > 0) scrollToRow(view, index);
    else view.end.toEnd();
    requestAnimationFrame(() => view.look());
  }, [view, rows, loaded, unread]);
}

/** One's own new message is always shown, the other's if the end was in view. */
function useEnd(view: View, { rows }: Shown): () => void {
  const last = rows.at(-1);
  const lastOwn = last?.kind === "bubble" && last.delivery === "waiting";
  useLayoutEffect(() => {
    if (view.placed && (view.end.following || lastOwn)) view.end.toEnd();
  }, [last?.key, lastOwn, view]);
  const settle = useCallback(() => {
    if (!view.end.following || !view.placed) return;
    view.end.toEnd();
    requestAnimationFrame(() => view.end.following && view.end.toEnd());
  }, [view]);
  // A keyboard or a longer draft makes the scroller lower.
  useEffect(() => {
    const observer = new ResizeObserver(settle);
    observer.observe(view.scroller.current!);
    return () => observer.disconnect();
  }, [settle, view]);
  return settle;
}

/** Loads up to the first unread message and scrolls there; null where there is no need to. */
function useFirstUnread(view: View, { conversation, rows, unread }: Shown) {
  const { other, loaded } = conversation;
  const { chat } = useWorkspace();
  const wanted = useRef(false);
  const index = newsIndex(rows);
  useLayoutEffect(() => {
    if (!wanted.current || index < 0) return;
    wanted.current = false;
    scrollToRow(view, index);
  }, [index, view]);

  if (!unread || index >= 0 || loaded === "all") return null;
  return async () => {
    wanted.current = true;
    const first = () => chat.snapshot.conversations.get(other)?.messages[0]?.seq ?? 0;
    const missing = () => first() > unread.after + 1;
    while (missing() && (await chat.loadOlder(other, true)));
    if (missing()) wanted.current = false;
  };
}

function newsIndex(rows: readonly Row[]): number {
  return rows.findIndex((row) => row.kind === "new");
}

/** Whether rows were added in front of the others: then the view must not move. */
function usePrepended(rows: readonly Row[]): boolean {
  const latest = useRef(rows);
  const before = latest.current;
  useLayoutEffect(() => {
    latest.current = rows;
  });
  const first = (all: readonly Row[]) => all.find((row) => row.kind === "bubble")?.key;
  return before.length > 0 && rows.length > 0 && first(before) !== first(rows);
}
