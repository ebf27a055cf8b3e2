import { useOffline } from "./offline";
import { useWorkspace, useSnapshot } from "./workspace_context";

/** Says that there is no connection, unless it is back at once. */
export function ConnectionBanner() {
  const { chat } = useWorkspace();
  const { connection, outbox } = useSnapshot();
  const waiting = outbox.filter((item) => !item.refusal).length;
  const offline = useOffline();
  return (
    <div className="banner" role="status" data-shown={offline} data-testid="connection">
      {offline && (
        <>
          <span>
            {connection.name === "stopped" ? STOPPED[connection.why] : explanation()}
            {waiting === 1 && " 1 message waits to be sent."}
            {waiting > 1 && ` ${waiting} messages wait to be sent.`}
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
  too_many_connections: "You have this page open in too many places. Close one of them, then try again.",
  refused: "The service does not understand this page. Reload it.",
};

function explanation(): string {
  return navigator.onLine ? "Connecting…" : "You are offline.";
}
