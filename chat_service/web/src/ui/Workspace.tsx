import { useCallback, useEffect, useRef, useState } from "react";

import { Chat } from "../chat/chat";
import { People } from "../chat/people";
import { browserStorage } from "../client/outbox_storage";
import type { Employee } from "../session/auth_api";
import type { Session } from "../session/session";
import { Attention } from "./Attention";
import { ConnectionBanner } from "./ConnectionBanner";
import { ConversationView } from "./ConversationView";
import { Drafts } from "./drafts";
import { useDroppedFiles } from "./dropped_files";
import { forgetRoute, goBack, routeTo, useRoute } from "./route";
import { Sidebar } from "./Sidebar";
import { useViewport } from "./viewport";
import { useWakeUps } from "./wake_ups";
import { useSnapshot, useWorkspace, WorkspaceContext, type WorkspaceValue } from "./workspace_context";

const TOAST_MS = 6_000;

interface Props {
  session: Session;
  socket: string;
  employee: Employee;
}

/** The page of somebody who is logged in. */
export function Workspace({ session, socket, employee }: Props) {
  const [toast, setToast] = useState("");
  const clearing = useRef<number>(undefined);
  const showToast = useCallback((text: string) => {
    setToast(text);
    clearTimeout(clearing.current);
    clearing.current = window.setTimeout(() => setToast(""), TOAST_MS);
  }, []);
  const [workspace] = useState<WorkspaceValue>(() => {
    const chat = new Chat(employee.email, socket, session, browserStorage(employee.id));
    return {
      chat,
      people: new People(session),
      session,
      employee,
      drafts: new Drafts(employee.id),
      showToast,
      logOut: () => {
        chat.client.stop();
        void chat.client.outbox.clear();
        workspace.drafts.clear();
        forgetRoute(); // whoever logs in next is somebody else
        void session.logOut();
      },
    };
  });

  useEffect(() => {
    workspace.people.learn([employee]);
    void workspace.chat.client.start();
    return () => {
      workspace.chat.client.stop();
      if (!session.employee) People.forget();
    };
  }, [workspace, employee, session]);
  useWakeUps(workspace.chat);
  useViewport();
  useDroppedFiles(showToast);

  return (
    <WorkspaceContext value={workspace}>
      <Panes />
      <div className="toast" role="status" data-shown={toast !== ""}>
        {toast}
      </div>
    </WorkspaceContext>
  );
}

function Panes() {
  const other = useRoute();
  const before = useRef(other);
  useEffect(() => {
    // Back in the list, the focus is on the conversation that was open.
    if (other === null && before.current !== null && document.activeElement === document.body) {
      document.querySelector<HTMLElement>(`.entry[href="${routeTo(before.current)}"]`)?.focus();
    }
    before.current = other;
  }, [other]);
  return (
    <div className="panes" data-open={other !== null}>
      <button className="button skip" onClick={skipTheList}>
        Skip the list
      </button>
      <Attention other={other} />
      <ConnectionBanner />
      <Sidebar current={other} />
      <main className="stage" tabIndex={-1}>
        {other === null ? (
          <NoConversation />
        ) : (
          <ConversationView key={other} other={other} leave={goBack} />
        )}
      </main>
    </div>
  );
}

/** To what is open: its field, or the first thing beside the list. */
function skipTheList(): void {
  const stage = document.querySelector<HTMLElement>(".stage");
  (stage?.querySelector<HTMLElement>("textarea") ?? stage)?.focus();
}

function NoConversation() {
  const { employee } = useWorkspace();
  const { conversations, list } = useSnapshot();
  const isNew = list === "ready" && conversations.size === 0;
  return (
    <div className="empty">
      <h2>{isNew ? `Welcome, ${employee.name}` : "Pick a conversation"}</h2>
      <p>
        {isNew
          ? "Find a colleague to write your first message."
          : "Or find a colleague to start a new one."}
      </p>
    </div>
  );
}
