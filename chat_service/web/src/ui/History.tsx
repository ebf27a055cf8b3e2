import type { ReactNode } from "react";
import { Virtualizer } from "virtua";

import type { Conversation } from "../chat/conversation";
import { useFocusedRow } from "./focused_row";
import { type Shown, useHistoryScroll } from "./history_scroll";
import { HistoryRow, type RowProps } from "./HistoryRow";
import { Down, Up } from "./icons";
import { useWorkspace, usePerson } from "./workspace_context";

/** The messages of a conversation. Only those in view, and some around them, are in the document. */
export function History({ edit, remove, ...shown }: Shown & Pick<RowProps, "edit" | "remove">) {
  const { conversation, rows, unread } = shown;
  const { chat } = useWorkspace();
  const { other, loaded, older } = conversation;
  const { name } = usePerson(other);
  const { atEnd, toEnd, toFirstUnread, scroller, list } = useHistoryScroll(shown);
  const { keepMounted, onFocus } = useFocusedRow(rows);
  return (
    <div className="history-frame">
      <div
        {...scroller}
        onFocus={onFocus}
        className="history"
        role="log"
        aria-live="off"
        aria-label={`Messages with ${name}`}
        aria-busy={loaded === "loading"}
        tabIndex={0}
        data-count={rows.length}
      >
        <div className="history-space" />
        <Virtualizer {...list} data={rows} bufferSize={500} keepMounted={keepMounted}>
          {(row) => <HistoryRow key={row.key} row={row} name={name} edit={edit} remove={remove} />}
        </Virtualizer>
      </div>
      {rows.length === 0 && <Empty conversation={conversation} name={name} />}
      <div className="pills top">
        {unread && toFirstUnread && (
          <button className="pill" onClick={() => void toFirstUnread()}>
            <Up /> {upTo99(unread.count)} unread
          </button>
        )}
        {older === "loading" && (
          <p className="pill delayed" role="status">
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
          <button className="pill" onClick={toEnd}>
            <Down /> {newMessages(conversation.unread)}
          </button>
        </div>
      )}
    </div>
  );
}

function newMessages(unread: number): ReactNode {
  if (unread === 0) return <span className="visually-hidden">To the newest message</span>;
  return unread === 1 ? "1 new message" : `${upTo99(unread)} new messages`;
}

function upTo99(count: number): string {
  return count > 99 ? "99+" : String(count);
}

function Empty({ conversation: { other, loaded }, name }: { conversation: Conversation; name: string }) {
  const { chat } = useWorkspace();
  if (loaded === "failed")
    return (
      <div className="empty inside">
        <p>The messages could not be loaded.</p>
        <button className="button" onClick={() => void chat.open(other)}>
          Try again
        </button>
      </div>
    );
  if (loaded !== "all")
    return (
      <p className="empty inside delayed" role="status">
        Loading…
      </p>
    );
  return (
    <div className="empty inside">
      <p>This is the beginning of your conversation with {name}.</p>
      <p>Say hello.</p>
    </div>
  );
}
