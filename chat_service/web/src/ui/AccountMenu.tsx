import { useId, useRef, useState } from "react";

import { shownAddress } from "../chat/text";
import { Avatar } from "./Avatar";
import { Confirm } from "./Confirm";
import { Bell, Devices, Leave } from "./icons";
import { Notifier } from "./notifier";
import { Sessions } from "./Sessions";
import { useWorkspace, useSnapshot } from "./workspace_context";

/** Who is logged in, and what concerns the account. */
export function AccountMenu() {
  const { employee, session, logOut, showToast } = useWorkspace();
  const { outbox } = useSnapshot();
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<"sessions" | "confirm" | "confirm everywhere" | null>(null);
  const [askable, setAskable] = useState(Notifier.askable);

  const askToLogOut = () => (outbox.length > 0 ? setShown("confirm") : logOut());
  const logOutEverywhere = () =>
    void session.endAll().then(logOut, () =>
      showToast("The service cannot be reached. Try again later."),
    );
  const askToLogOutEverywhere = () =>
    outbox.length > 0 ? setShown("confirm everywhere") : logOutEverywhere();
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
          <span>{shownAddress(employee.email)}</span>
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
      {shown === "sessions" && (
        <Sessions
          close={() => setShown(null)}
          logOut={askToLogOut}
          logOutEverywhere={askToLogOutEverywhere}
        />
      )}
      {(shown === "confirm" || shown === "confirm everywhere") && (
        <Confirm
          title={shown === "confirm" ? "Log out now?" : "Log out everywhere now?"}
          action="Log out"
          confirmed={shown === "confirm" ? logOut : logOutEverywhere}
          close={() => setShown(null)}
        >
          Whatever has not been sent will be discarded.
        </Confirm>
      )}
    </>
  );
}
