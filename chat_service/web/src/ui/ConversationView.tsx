import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type Conversation, newConversation } from "../chat/conversation";
import { type Bubble, isEditable, rowsOf } from "../chat/rows";
import { isolated, shownAddress } from "../chat/text";
import { Avatar } from "./Avatar";
import { useMinute } from "./clock";
import { Composer, type ComposerHandle } from "./Composer";
import { Confirm } from "./Confirm";
import { History } from "./History";
import type { Unread } from "./history_scroll";
import { Back } from "./icons";
import { useOffline } from "./offline";
import { ago } from "./times";
import { useWorkspace, usePerson, useSnapshot } from "./workspace_context";

interface Props {
  other: string;
  leave: () => void;
}

/** The open conversation: header, history and composer. */
export function ConversationView({ other, leave }: Props) {
  const { chat } = useWorkspace();
  const { conversations, outbox, typing } = useSnapshot();
  const conversation = conversations.get(other) ?? newConversation(other);
  const [unread, clearUnread] = useUnread(conversation);
  const [editing, setEditing] = useState<Bubble | null>(null);
  const [removing, setRemoving] = useState<Bubble | null>(null);
  const composer = useRef<ComposerHandle>(null);
  const removed = useRef(false);
  const rows = useMemo(
    () => rowsOf(conversation, outbox, chat.me, unread?.after ?? null, typing.has(other)),
    [conversation, outbox, chat, unread, typing, other],
  );

  useEffect(() => () => chat.leave(other), [chat, other]);
  useEffect(() => {
    if (removing || !removed.current) return;
    removed.current = false;
    composer.current?.focus(); // the button that had the focus is gone
  }, [removing]);

  function say(text: string): void {
    if (editing) chat.edit(conversation, editing.message.id, text);
    else chat.send(other, text);
    setEditing(null);
    clearUnread();
  }

  const edit = useCallback((bubble: Bubble) => {
    setEditing(bubble);
    composer.current?.focus();
  }, []);

  function editLast(): void {
    const last = rows.findLast((row) => row.kind === "bubble" && isEditable(row));
    if (last?.kind === "bubble") edit(last);
  }

  return (
    <section
      className="conversation"
      aria-label={`Conversation with ${isolated(usePerson(other).name)}`}
    >
      <Header other={other} leave={leave} />
      <History {...{ conversation, rows, unread, edit }} remove={setRemoving} />
      <Composer
        ref={composer}
        other={other}
        editing={editing}
        cancelEditing={() => setEditing(null)}
        editLast={editLast}
        say={say}
      />
      {removing && (
        <Confirm
          title="Delete this message?"
          action="Delete"
          confirmed={() => {
            chat.remove(conversation, removing.message.id);
            removed.current = true;
          }}
          close={() => setRemoving(null)}
        >
          Its text will be removed for both of you. This cannot be undone.
        </Confirm>
      )}
    </section>
  );
}

/** What was unread when it was opened, which the list of conversations says, until it is cleared. */
function useUnread(conversation: Conversation): [Unread | null | undefined, clear: () => void] {
  const { other } = conversation;
  const { chat } = useWorkspace();
  const { list } = useSnapshot();
  // The history says it, too, and may come before the list.
  const counted =
    list !== "loading" || conversation.loaded === "some" || conversation.loaded === "all";
  const [unread, setUnread] = useState<Unread | null | undefined>(() =>
    counted ? unreadOf(conversation) : undefined,
  );
  useEffect(() => void chat.open(other), [chat, other]);
  useEffect(() => {
    if (!counted) return;
    const known = chat.snapshot.conversations.get(other);
    setUnread((before) => (before === undefined ? unreadOf(known) : before));
  }, [chat, other, counted]);
  return [unread, () => setUnread(null)];
}

function unreadOf(conversation: Conversation | undefined): Unread | null {
  if (!conversation?.unread) return null;
  return { after: conversation.mine.read, count: conversation.unread };
}

function Header({ other, leave }: Props) {
  const { presence, typing } = useSnapshot();
  const { name } = usePerson(other);
  const there = presence.get(other);
  const offline = useOffline();
  const online = !offline && there?.status === "online";
  useMinute();
  const state = typing.has(other)
    ? "typing…"
    : online
      ? "online"
      : !offline && there?.last_seen
        ? `last seen ${ago(new Date(there.last_seen))}`
        : shownAddress(other);
  return (
    <header className="conversation-head">
      <button className="icon-button back" aria-label="Back to the list" onClick={leave}>
        <Back />
      </button>
      <Avatar name={name} email={other} online={online} />
      <div>
        <h2 dir="auto">{name}</h2>
        <p className="conversation-state" data-typing={typing.has(other)} title={shownAddress(other)}>
          {state}
        </p>
      </div>
    </header>
  );
}
