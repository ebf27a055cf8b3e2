import { useAway } from "./away";
import { useDesk, useSnapshot } from "./desk";

/** Says when the connection is not there, unless it is back at once. */
export function ConnectionBanner() {
  const { chat } = useDesk();
  const { connection, outbox } = useSnapshot();
  const waiting = outbox.filter((item) => !item.refusal).length;
  const shown = useAway();
  return (
    <div className="banner" role="status" data-shown={shown} data-testid="connection">
      {shown && (
        <>
          <span>
            {connection.name === "stopped" ? STOPPED[connection.why] : offline()}
            {waiting > 0 && ` ${waiting === 1 ? "1 message waits" : `${waiting} messages wait`} to be sent.`}
          </span>
          {connection.name !== "connecting" && (
            <button className="link" onClick={() => chat.client.retry()}>
              Try now
            </button>
          )}
        </>
      )}
    </div>
  );
}

const STOPPED = {
  closed: "Not connected.",
  session_ended: "Your session was ended.",
  too_many_connections: "You have this open in too many places. Close one of them, then try again.",
  refused: "The service does not understand this page. Reload it.",
};

function offline(): string {
  return navigator.onLine ? "Connecting…" : "You are offline.";
}
