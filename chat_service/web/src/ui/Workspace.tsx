import { useCallback, useEffect, useRef, useState } from "react";

import { Chat } from "../chat/chat";
import { People } from "../chat/people";
import { browserStorage } from "../client/outbox_storage";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import { Attention } from "./Attention";
import { ConnectionBanner } from "./ConnectionBanner";
import { ConversationView } from "./ConversationView";
import { type Desk, DeskContext, useDesk, useSnapshot } from "./desk";
import { Drafts } from "./drafts";
import { leavePlace, placeOf, usePlace } from "./place";
import { Sidebar } from "./Sidebar";
import { useViewport } from "./viewport";
import { useWakeUps } from "./wake_ups";

const TOAST_MS = 6_000;

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
  const [desk] = useState<Desk>(() => {
    const chat = new Chat(employee.email, socket, session, browserStorage(employee.id));
    return {
      chat,
      people: new People(session),
      session,
      employee,
      drafts: new Drafts(employee.id),
      tell,
      leave: () => {
        chat.client.stop();
        void chat.client.outbox.clear();
        desk.drafts.clear();
        void session.logOut();
      },
    };
  });

  useEffect(() => {
    desk.people.learn([employee]);
    void desk.chat.client.start();
    return () => {
      desk.chat.client.stop();
      if (!session.employee) People.forget();
    };
  }, [desk, employee, session]);
  useWakeUps(desk.chat);
  useViewport();

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
  const before = useRef(other);
  useEffect(() => {
    // Back in the list, one is where one left it.
    if (other === null && before.current !== null && document.activeElement === document.body) {
      document.querySelector<HTMLElement>(`.entry[href="${placeOf(before.current)}"]`)?.focus();
    }
    before.current = other;
  }, [other]);
  return (
    <div className="panes" data-open={other !== null}>
      <Attention other={other} />
      <ConnectionBanner />
      <Sidebar current={other} />
      <main className="stage">
        {other === null ? (
          <Nobody />
        ) : (
          <ConversationView key={other} other={other} leave={leavePlace} />
        )}
      </main>
    </div>
  );
}

function Nobody() {
  const { employee } = useDesk();
  const { conversations, list } = useSnapshot();
  const isNew = list === "ready" && conversations.size === 0;
  return (
    <div className="nobody">
      <h2>{isNew ? `Welcome, ${employee.name}` : "Pick a conversation"}</h2>
      <p>{isNew ? "Find a colleague to write your first message." : "Or find a colleague to start a new one."}</p>
    </div>
  );
}
