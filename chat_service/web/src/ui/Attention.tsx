import { useEffect, useState } from "react";

import type { Message } from "../protocol";
import { Notifier } from "./notifier";
import { goTo } from "./route";
import { useSnapshot, useWorkspace, type WorkspaceValue } from "./workspace_context";

const BATCH_MS = 300;
const CLEAR_MS = 3_000;
const MAX_READ_OUT = 3;

/** The page's title, notifications, and announcements to screen readers. */
export function Attention({ other }: { other: string | null }) {
  const workspace = useWorkspace();
  const { conversations, connection } = useSnapshot();
  const [notifier] = useState(() => new Notifier(workspace.people, goTo));
  const announced = useAnnouncements(workspace, notifier, other);
  const unread = [...conversations.values()].reduce((sum, one) => sum + one.unread, 0);

  useEffect(() => notifier.settle(conversations), [notifier, conversations]);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread > 99 ? "99+" : unread}) Messages` : "Messages";
  }, [unread]);
  useEffect(() => {
    const ended = connection.name === "stopped" && connection.why === "session_ended";
    if (ended) workspace.session.ended();
  }, [connection, workspace]);

  return (
    <div className="visually-hidden" aria-live="polite">
      {announced.map((sentence, index) => (
        <p key={index}>{sentence}</p>
      ))}
    </div>
  );
}

/** Sentences to read out. They do not stay, since a message may be deleted. */
function useAnnouncements(
  workspace: WorkspaceValue,
  notifier: Notifier,
  other: string | null,
): readonly string[] {
  const [announced, setAnnounced] = useState<readonly string[]>([]);
  useEffect(() => {
    let arrived: Message[] = [];
    let announcing: number | undefined;
    let clearing: number | undefined;
    const announce = () => {
      setAnnounced(sentences(arrived, other, (email) => workspace.people.get(email).name));
      arrived = [];
      announcing = undefined;
      clearTimeout(clearing);
      clearing = window.setTimeout(() => setAnnounced([]), CLEAR_MS);
    };
    workspace.chat.alerts = {
      messageArrived: (message) => {
        notifier.arrived(message);
        arrived.push(message);
        announcing ??= window.setTimeout(announce, BATCH_MS);
      },
      messageDeleted: (message) => {
        notifier.deleted(message);
        arrived = arrived.filter(({ id }) => id !== message);
      },
      changeFailed: workspace.showToast,
    };
    return () => {
      workspace.chat.alerts = {};
      clearTimeout(announcing);
      clearTimeout(clearing);
    };
  }, [workspace, notifier, other]);
  return announced;
}

/** Of the open conversation a few messages in full, of every other only who wrote. */
function sentences(
  arrived: readonly Message[],
  other: string | null,
  nameOf: (email: string) => string,
): string[] {
  const senders = [...new Set(arrived.map(({ sender }) => sender))];
  return senders.flatMap((sender) => {
    const messages = arrived.filter((message) => message.sender === sender);
    const name = nameOf(sender);
    if (sender === other && messages.length <= MAX_READ_OUT)
      return messages.map(({ text }) => `${name}: ${text ?? ""}`);
    const { length } = messages;
    return [length === 1 ? `New message from ${name}` : `${length} new messages from ${name}`];
  });
}
