import type { Delivery } from "../chat/rows";
import { Clock, ReadTick, Tick, TwoTicks, Warning } from "./icons";

const MARKS: Record<Delivery, readonly [label: string, icon: () => React.JSX.Element]> = {
  waiting: ["Waiting to be sent", Clock],
  failed: ["Not sent", Warning],
  sent: ["Sent", Tick],
  received: ["Received", TwoTicks],
  read: ["Read", ReadTick],
};

/** The delivery state of one's own message. */
export function DeliveryMark({ delivery }: { delivery: Delivery }) {
  const [label, Icon] = MARKS[delivery];
  return (
    <span className="delivery" data-delivery={delivery} title={label}>
      <Icon />
      <span className="visually-hidden">{label}</span>
    </span>
  );
}
