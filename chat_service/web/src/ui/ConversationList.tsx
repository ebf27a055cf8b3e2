import { memo, useMemo } from "react";

import type { Conversation } from "../chat/conversation";
import { deliveryOf } from "../chat/rows";
import type { OutboxItem } from "../client/outbox";
import { Avatar } from "./Avatar";
import { useAway } from "./away";
import { byArrows } from "./by_arrows";
import { useToday } from "./clock";
import { DeliveryMark } from "./DeliveryMark";
import { useDesk, usePerson, useSnapshot } from "./desk";
import { placeOf } from "./place";
import { preciselyAt, shortly } from "./times";

/** All conversations, the one that changed last first. */
export function ConversationList({ current }: { current: string | null }) {
  const { chat } = useDesk();
  const { conversations, list, outbox, presence, typing } = useSnapshot();
  const away = useAway();
  const unsent = useMemo(() => lastUnsent(outbox), [outbox]);
  const sorted = useMemo(() => {
    const changedAt = (one: Conversation) => Math.max(one.changedAt, unsent.get(one.other)?.order ?? 0);
    return [...conversations.values()].filter(changedAt).sort((a, b) => changedAt(b) - changedAt(a));
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
    <nav className="list" aria-label="Conversations" onKeyDown={byArrows}>
      <ul>
        {sorted.map((conversation) => (
          <ConversationEntry
            key={conversation.other}
            conversation={conversation}
            current={conversation.other === current}
            online={!away && presence.get(conversation.other)?.status === "online"}
            typing={!away && typing.has(conversation.other)}
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
  const { chat } = useDesk();
  const { name } = usePerson(other);
  useToday();
  const at = new Date(Math.max(conversation.changedAt, unsent?.order ?? 0));
  const own = unsent !== undefined || last?.sender === chat.me;
  const text = unsent?.op.type === "send" ? unsent.op.text : last?.deleted ? "Message deleted" : last?.text;
  return (
    <li>
      <a
        className="entry"
        href={placeOf(other)}
        aria-current={current ? "page" : undefined}
        data-unread={unread > 0}
      >
        <Avatar name={name} email={other} online={online} />
        <span className="entry-text">
          <span className="entry-top">
            <span className="entry-name" dir="auto">{name}</span>
            {online && <span className="unseen">, online, </span>}
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
                    delivery={unsent ? (unsent.refusal ? "failed" : "waiting") : deliveryOf(last?.seq ?? 0, theirs)}
                  />
                )}
                <bdi>{text}</bdi>
              </span>
            )}
            {unread > 0 && (
              <span className="badge">
                {unread > 99 ? "99+" : unread}
                <span className="unseen"> unread</span>
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
        <div className="entry ghost" key={line}>
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
