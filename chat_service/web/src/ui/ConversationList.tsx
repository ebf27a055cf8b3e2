import { memo, useMemo } from "react";

import { type Conversation, newConversation } from "../chat/conversation";
import { deliveryOf } from "../chat/rows";
import type { OutboxItem } from "../client/outbox";
import { moveByArrowKeys } from "./arrow_keys";
import { Avatar } from "./Avatar";
import { useToday } from "./clock";
import { DeliveryMark } from "./DeliveryMark";
import { useOffline } from "./offline";
import { routeTo } from "./route";
import { preciselyAt, shortly } from "./times";
import { useWorkspace, usePerson, useSnapshot } from "./workspace_context";

/** All conversations, the most recently changed first. */
export function ConversationList({ current }: { current: string | null }) {
  const { chat } = useWorkspace();
  const { conversations, list, outbox, presence, typing } = useSnapshot();
  const offline = useOffline();
  const unsent = useMemo(() => lastUnsent(outbox), [outbox]);
  const sorted = useMemo(() => {
    const changedAt = ({ changedAt, other }: Conversation) =>
      Math.max(changedAt, unsent.get(other)?.order ?? 0);
    // Whoever was written to for the first time, and nothing of it was stored.
    const unstored = [...unsent.keys()].filter((other) => !conversations.has(other));
    const all = [...conversations.values(), ...unstored.map(newConversation)];
    const shown = all.filter(changedAt);
    return shown.sort((a, b) => changedAt(b) - changedAt(a));
  }, [conversations, unsent]);

  if (sorted.length === 0 && list === "loading") return <Placeholder />;
  if (sorted.length === 0 && list === "failed")
    return (
      <p className="hint">
        Your conversations could not be loaded.{" "}
        <button className="link" onClick={() => chat.retryList()}>
          Try again
        </button>
      </p>
    );
  if (sorted.length === 0)
    return (
      <div className="hint">
        <h2>No conversations yet</h2>
        <p>Find a colleague above, by name or email, and say hello.</p>
      </div>
    );
  return (
    <nav className="list" aria-label="Conversations" onKeyDown={moveByArrowKeys}>
      <ul>
        {sorted.map((conversation) => (
          <ConversationEntry
            key={conversation.other}
            conversation={conversation}
            current={conversation.other === current}
            online={!offline && presence.get(conversation.other)?.status === "online"}
            typing={!offline && typing.has(conversation.other)}
            unsent={unsent.get(conversation.other)}
          />
        ))}
      </ul>
    </nav>
  );
}

interface EntryProps {
  conversation: Conversation;
  current: boolean;
  online: boolean;
  typing: boolean;
  unsent: OutboxItem | undefined;
}

const ConversationEntry = memo(function ConversationEntry(props: EntryProps) {
  const { conversation, current, online, typing, unsent } = props;
  const { other, last, unread, theirs } = conversation;
  const { chat } = useWorkspace();
  const { name } = usePerson(other);
  useToday();
  const at = new Date(Math.max(conversation.changedAt, unsent?.order ?? 0));
  const own = unsent !== undefined || last?.sender === chat.me;
  const stored = last?.deleted ? "Message deleted" : last?.text;
  const text = unsent?.op.type === "send" ? unsent.op.text : stored;
  const unsentState = unsent?.refusal ? "failed" : "waiting";
  return (
    <li>
      <a
        className="entry"
        href={routeTo(other)}
        aria-current={current ? "page" : undefined}
        data-unread={unread > 0}
      >
        <Avatar name={name} email={other} online={online} />
        <span className="entry-text">
          <span className="entry-top">
            <span className="entry-name" dir="auto">{name}</span>
            {online && <span className="visually-hidden">, online, </span>}
            <time className="entry-time" dateTime={at.toISOString()} title={preciselyAt(at)}>
              {shortly(at)}
            </time>
          </span>
          <span className="entry-bottom">
            {typing ? (
              <span className="entry-last entry-typing">typing…</span>
            ) : (
              <span className="entry-last" data-deleted={!unsent && last?.deleted}>
                {own && (
                  <DeliveryMark
                    delivery={unsent ? unsentState : deliveryOf(last?.seq ?? 0, theirs)}
                  />
                )}
                <bdi>{text}</bdi>
              </span>
            )}
            {unread > 0 && (
              <span className="badge">
                {unread > 99 ? "99+" : unread}
                <span className="visually-hidden"> unread</span>
              </span>
            )}
          </span>
        </span>
      </a>
    </li>
  );
});

function Placeholder() {
  return (
    <div className="list" role="status" aria-label="Loading your conversations">
      {[1, 2, 3, 4].map((line) => (
        <div className="entry skeleton" key={line}>
          <span className="avatar" />
          <span className="entry-text">
            <span />
            <span />
          </span>
        </div>
      ))}
    </div>
  );
}

function lastUnsent(outbox: readonly OutboxItem[]): Map<string, OutboxItem> {
  return new Map(outbox.filter(({ op }) => op.type === "send").map((item) => [item.to, item]));
}
