import { memo } from "react";

import { type Bubble, isEditable } from "../chat/rows";
import { DeliveryMark } from "./DeliveryMark";
import { Bin, Pencil } from "./icons";
import { MessageText } from "./MessageText";
import { preciselyAt, timeOf } from "./times";
import { useWorkspace } from "./workspace_context";

interface Props {
  bubble: Bubble;
  /** The other person's. */
  name: string;
  edit: (bubble: Bubble) => void;
  remove: (bubble: Bubble) => void;
}

const SHOWN = ["message", "delivery", "refusal", "changing", "first", "last"] as const;

/** One message. Rendered again only if what it shows has changed. */
export const MessageBubble = memo(
  Message,
  (before, after) =>
    before.name === after.name &&
    before.edit === after.edit &&
    before.remove === after.remove &&
    SHOWN.every((key) => before.bubble[key] === after.bubble[key]),
);

function Message({ bubble, name, edit, remove }: Props) {
  const { message, own, delivery, at, changing } = bubble;
  const editable = isEditable(bubble);
  const edited = message.edited_at !== undefined && !message.deleted;
  return (
    <article
      className="message"
      data-own={own}
      data-first={bubble.first}
      data-last={bubble.last}
      data-message={message.id}
      tabIndex={editable ? -1 : undefined}
    >
      <div
        className="bubble"
        dir="auto"
        data-deleted={message.deleted === true}
        data-changing={changing}
      >
        <span className="visually-hidden" dir="auto">
          {own ? "You" : name}:{" "}
        </span>
        <p className="bubble-text">
          {message.deleted ? "Message deleted" : <MessageText text={message.text ?? ""} />}
        </p>
        {/* Keeps space for the foot after the last word. */}
        <span className="bubble-spacer">
          {"\u00a0"}
          {edited && "edited "}
          {timeOf(at)}
        </span>
        <span className="bubble-foot" dir="ltr">
          {edited && <span>edited</span>}
          <time dateTime={at.toISOString()} title={preciselyAt(at)}>
            {timeOf(at)}
          </time>
          {delivery && <DeliveryMark delivery={changing ? "waiting" : delivery} />}
        </span>
      </div>
      {editable && (
        <div className="message-tools">
          <button className="icon-button small" aria-label="Edit this message" onClick={() => edit(bubble)}>
            <Pencil />
          </button>
          <button
            className="icon-button small"
            aria-label="Delete this message"
            onClick={() => remove(bubble)}
          >
            <Bin />
          </button>
        </div>
      )}
      {delivery === "failed" && <Failed bubble={bubble} />}
    </article>
  );
}

function Failed({ bubble: { message, refusal } }: { bubble: Bubble }) {
  const { chat } = useWorkspace();
  return (
    <p className="failed" role="alert">
      Not sent: {refusal}{" "}
      <button className="link" onClick={() => chat.client.sendAgain(message.id)}>
        Try again
      </button>{" "}
      <button className="link" onClick={() => chat.client.outbox.discard(message.id)}>
        Discard
      </button>
    </p>
  );
}
