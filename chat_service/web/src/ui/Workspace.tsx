import { useCallback, useEffect, useRef, useState } from "react";

import { Chat } from "../chat/chat";
import { People } from "../chat/people";
import { browserStorage } from "../client/outbox_storage";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import { ConversationView } from "./ConversationView";
import { type Desk, DeskContext, useDesk, useSnapshot } from "./desk";
import { Notifier } from "./notifier";
import { goTo, usePlace } from "./place";
import { Sidebar } from "./Sidebar";
import { useWakeUps } from "./wake_ups";

const TOAST_MS = 6_000;
const SAID_MS = 1_000;

interface Props {
  session: Session;
  socket: string;
  employee: Employee;
}

/** Everything of somebody who is logged in. */
export function Workspace({ session, socket, employee }: Props) {
  const [toast, setToast] = useState("");
  const clearing = useRef<number>(undefined);
  const tell = useCallback((what: string) => {
    setToast(what);
    clearTimeout(clearing.current);
    clearing.current = window.setTimeout(() => setToast(""), TOAST_MS);
  }, []);
  const [desk] = useState<Desk>(() => ({
    chat: new Chat(employee.email, socket, session, browserStorage(employee.id)),
    people: new People(session),
    session,
    employee,
    drafts: new Map(),
    tell,
  }));

  useEffect(() => {
    desk.people.learn([employee]);
    void desk.chat.client.start();
    return () => desk.chat.client.stop();
  }, [desk, employee]);
  useWakeUps(desk.chat);

  return (
    <DeskContext value={desk}>
      <Panes />
      <div className="toast" role="status" data-shown={toast !== ""}>
        {toast}
      </div>
    </DeskContext>
  );
}

function Panes() {
  const other = usePlace();
  return (
    <div className="panes" data-open={other !== null}>
      <Attention other={other} />
      <Sidebar current={other} />
      <main className="stage">
        {other === null ? (
          <div className="nobody">
            <h2>Pick a conversation</h2>
            <p>Or find a colleague by name to start a new one.</p>
          </div>
        ) : (
          <ConversationView key={other} other={other} leave={() => goTo(null)} />
        )}
      </main>
    </div>
  );
}

/** Title, notifications, and what a screen reader is told; nothing that is seen. */
function Attention({ other }: { other: string | null }) {
  const { conversations, connection } = useSnapshot();
  const [said, setSaid] = useState("");
  const desk = useNews(other, setSaid);
  const unread = [...conversations.values()].reduce((sum, one) => sum + one.unread, 0);

  useEffect(() => {
    const spoken = setTimeout(() => setSaid(""), SAID_MS); // it may be deleted: it must not stay
    return () => clearTimeout(spoken);
  }, [said]);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread > 99 ? "99+" : unread}) Messages` : "Messages";
  }, [unread]);
  useEffect(() => {
    if (connection.name === "stopped" && connection.why === "session_ended") desk.session.ended();
  }, [connection, desk]);

  return (
    <p className="unseen" aria-live="polite">
      {said}
    </p>
  );
}

function useNews(other: string | null, say: (what: string) => void): Desk {
  const desk = useDesk();
  useEffect(() => {
    const notifier = new Notifier(desk.people, goTo);
    desk.chat.news = {
      arrived: (message) => {
        notifier.arrived(message);
        if (message.sender === other) say(`${desk.people.get(message.sender).name}: ${message.text ?? ""}`);
      },
      failed: desk.tell,
    };
    return () => {
      desk.chat.news = {};
    };
  }, [desk, other, say]);
  return desk;
}
