import { useCallback, useEffect, useMemo, useRef, useState } from "react";

import { type Conversation, newConversation } from "../chat/conversation";
import { type Bubble, isEditable, rowsOf } from "../chat/rows";
import { Avatar } from "./Avatar";
import { useAway } from "./away";
import { useMinute } from "./clock";
import { Composer, type ComposerHandle } from "./Composer";
import { Confirm } from "./Confirm";
import { useDesk, usePerson, useSnapshot } from "./desk";
import { History } from "./History";
import type { Unread } from "./history_scroll";
import { Back } from "./icons";
import { ago } from "./times";

interface Props {
  other: string;
  leave: () => void;
}

/** One conversation: who, what was said, and what to say. */
export function ConversationView({ other, leave }: Props) {
  const { chat } = useDesk();
  const { conversations, list, outbox, typing } = useSnapshot();
  const conversation = conversations.get(other) ?? newConversation(other);
  const [unread, setUnread] = useState<Unread | null | undefined>(() =>
    list === "loading" ? undefined : unreadOf(conversation),
  );
  const [editing, setEditing] = useState<Bubble | null>(null);
  const [removing, setRemoving] = useState<Bubble | null>(null);
  const composer = useRef<ComposerHandle>(null);
  const removed = useRef(false);
  const rows = useMemo(
    () => rowsOf(conversation, outbox, chat.me, unread?.after ?? null, typing.has(other)),
    [conversation, outbox, chat, unread, typing, other],
  );

  useEffect(() => {
    if (list === "loading") return; // it tells how much of this is unread
    void chat.open(other);
    const known = chat.snapshot.conversations.get(other);
    setUnread((before) => (before === undefined ? unreadOf(known) : before));
  }, [chat, other, list]);

  useEffect(() => () => chat.leave(other), [chat, other]);
  useEffect(() => {
    if (removing || !removed.current) return;
    removed.current = false;
    composer.current?.focus(); // the button that asked for it is gone
  }, [removing]);

  function say(text: string): void {
    if (editing) chat.edit(conversation, editing.message.id, text);
    else chat.send(other, text);
    setEditing(null);
    setUnread(null);
  }

  const edit = useCallback((bubble: Bubble) => {
    setEditing(bubble);
    composer.current?.focus();
  }, []);

  return (
    <section className="conversation" aria-label={`Conversation with ${usePerson(other).name}`}>
      <Head other={other} leave={leave} />
      <History
        conversation={conversation}
        rows={rows}
        unread={unread}
        edit={edit}
        remove={setRemoving}
      />
      <Composer
        ref={composer}
        other={other}
        editing={editing}
        cancelEditing={() => setEditing(null)}
        editLast={() => {
          const last = rows.findLast((row) => row.kind === "bubble" && isEditable(row));
          if (last?.kind === "bubble") edit(last);
        }}
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
          Its text will be gone for both of you. That cannot be undone.
        </Confirm>
      )}
    </section>
  );
}

function unreadOf(conversation: Conversation | undefined): Unread | null {
  if (!conversation?.unread) return null;
  return { after: conversation.mine.read, count: conversation.unread };
}

function Head({ other, leave }: Props) {
  const { presence, typing } = useSnapshot();
  const { name } = usePerson(other);
  const there = presence.get(other);
  const away = useAway();
  const online = !away && there?.status === "online";
  useMinute();
  const state = typing.has(other)
    ? "typing…"
    : online
      ? "online"
      : !away && there?.last_seen
        ? `last seen ${ago(new Date(there.last_seen))}`
        : other;
  return (
    <header className="conversation-head">
      <button className="icon-button back" aria-label="Back to the list" onClick={leave}>
        <Back />
      </button>
      <Avatar name={name} email={other} online={online} />
      <div>
        <h2 dir="auto">{name}</h2>
        <p className="conversation-state" data-typing={typing.has(other)} title={other}>
          {state}
        </p>
      </div>
    </header>
  );
}
