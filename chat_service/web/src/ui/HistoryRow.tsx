import type { Bubble, Row } from "../chat/rows";
import { useToday } from "./clock";
import { MessageBubble } from "./MessageBubble";
import { dayName } from "./times";

export interface RowProps {
  row: Row;
  /** The other person's. */
  name: string;
  edit: (bubble: Bubble) => void;
  remove: (bubble: Bubble) => void;
}

/** One row of a history. */
export function HistoryRow({ row, name, edit, remove }: RowProps) {
  switch (row.kind) {
    case "day":
      return <Day day={row.day} />;
    case "new":
      return (
        <div className="new-messages" role="separator" aria-label="New messages">
          <span aria-hidden="true">New messages</span>
        </div>
      );
    case "typing":
      return (
        <div className="typing" aria-hidden="true" data-testid="typing">
          <span />
          <span />
          <span />
        </div>
      );
    case "bubble":
      return <MessageBubble bubble={row} name={name} edit={edit} remove={remove} />;
  }
}

function Day({ day }: { day: Date }) {
  useToday();
  return (
    <div className="day" role="separator" aria-label={dayName(day)}>
      <span aria-hidden="true">{dayName(day)}</span>
    </div>
  );
}
