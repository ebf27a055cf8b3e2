import { useId, useRef, useState } from "react";

import { Avatar } from "./Avatar";
import { Confirm } from "./Confirm";
import { Bell, Devices, Leave } from "./icons";
import { Notifier } from "./notifier";
import { Sessions } from "./Sessions";
import { useWorkspace, useSnapshot } from "./workspace_context";

/** Who is logged in, and what concerns the account. */
export function AccountMenu() {
  const { employee, logOut, showToast } = useWorkspace();
  const { outbox } = useSnapshot();
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<"sessions" | "confirm" | null>(null);
  const [askable, setAskable] = useState(Notifier.askable);

  const askToLogOut = () => (outbox.length > 0 ? setShown("confirm") : logOut());
  const enableNotifications = async () => {
    const allowed = await Notifier.ask();
    showToast(allowed ? "Notifications are on." : "Your browser does not allow notifications.");
    setAskable(Notifier.askable);
  };
  const pick = (action: () => void) => () => {
    menu.current?.hidePopover();
    action();
  };
  return (
    <>
      <button className="account" popoverTarget={id}>
        <Avatar name={employee.name} email={employee.email} />
        <span className="visually-hidden">Your account, {employee.name}</span>
      </button>
      <div className="menu" id={id} popover="auto" ref={menu}>
        <p className="menu-who">
          <strong>{employee.name}</strong>
          <span>{employee.email}</span>
        </p>
        {askable && (
          <button className="menu-item" onClick={pick(() => void enableNotifications())}>
            <Bell /> Turn on notifications
          </button>
        )}
        <button className="menu-item" onClick={pick(() => setShown("sessions"))}>
          <Devices /> Where you are logged in
        </button>
        <button className="menu-item" onClick={pick(askToLogOut)}>
          <Leave /> Log out
        </button>
      </div>
      {shown === "sessions" && <Sessions close={() => setShown(null)} logOut={askToLogOut} />}
      {shown === "confirm" && (
        <Confirm
          title="Log out now?"
          action="Log out"
          confirmed={logOut}
          close={() => setShown(null)}
        >
          Whatever has not been sent will be discarded.
        </Confirm>
      )}
    </>
  );
}
