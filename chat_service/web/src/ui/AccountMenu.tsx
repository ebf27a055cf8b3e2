import { useId, useRef, useState } from "react";

import { Avatar } from "./Avatar";
import { Confirm } from "./Confirm";
import { useDesk, useSnapshot } from "./desk";
import { Bell, Devices, Leave } from "./icons";
import { Notifier } from "./notifier";
import { Sessions } from "./Sessions";

/** Who one is, and what concerns the account. */
export function AccountMenu() {
  const { employee, leave, tell } = useDesk();
  const { outbox } = useSnapshot();
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<"sessions" | "leaving" | null>(null);
  const [askable, setAskable] = useState(Notifier.askable);

  const logOut = () => (outbox.length > 0 ? setShown("leaving") : leave());
  const pick = (action: () => void) => () => {
    menu.current?.hidePopover();
    action();
  };
  return (
    <>
      <button className="account" popoverTarget={id}>
        <Avatar name={employee.name} email={employee.email} />
        <span className="unseen">Your account, {employee.name}</span>
      </button>
      <div className="menu" id={id} popover="auto" ref={menu}>
        <p className="menu-who">
          <strong>{employee.name}</strong>
          <span>{employee.email}</span>
        </p>
        {askable && (
          <button
            className="menu-item"
            onClick={pick(async () => {
              tell((await Notifier.ask()) ? "Notifications are on." : "Your browser does not allow notifications.");
              setAskable(Notifier.askable);
            })}
          >
            <Bell /> Turn on notifications
          </button>
        )}
        <button className="menu-item" onClick={pick(() => setShown("sessions"))}>
          <Devices /> Where you are logged in
        </button>
        <button
          className="menu-item"
          onClick={pick(logOut)}
        >
          <Leave /> Log out
        </button>
      </div>
      {shown === "sessions" && <Sessions close={() => setShown(null)} logOut={logOut} />}
      {shown === "leaving" && (
        <Confirm
          title="Log out now?"
          action="Log out"
          confirmed={leave}
          close={() => setShown(null)}
        >
          What is not sent yet will be discarded.
        </Confirm>
      )}
    </>
  );
}
