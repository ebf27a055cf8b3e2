import { useEffect, useState } from "react";

import type { Message } from "../protocol";
import { type Desk, useDesk, useSnapshot } from "./desk";
import { Notifier } from "./notifier";
import { goTo } from "./place";

const GATHER_MS = 300;
const SPOKEN_MS = 3_000;
const MOST_READ_OUT = 3;

/** Title, notifications, and what a screen reader is told; nothing that is seen. */
export function Attention({ other }: { other: string | null }) {
  const desk = useDesk();
  const { conversations, connection } = useSnapshot();
  const [notifier] = useState(() => new Notifier(desk.people, goTo));
  const said = useNews(desk, notifier, other);
  const unread = [...conversations.values()].reduce((sum, one) => sum + one.unread, 0);

  useEffect(() => notifier.settle(conversations), [notifier, conversations]);
  useEffect(() => {
    document.title = unread > 0 ? `(${unread > 99 ? "99+" : unread}) Messages` : "Messages";
  }, [unread]);
  useEffect(() => {
    if (connection.name === "stopped" && connection.why === "session_ended") desk.session.ended();
  }, [connection, desk]);

  return (
    <div className="unseen" aria-live="polite">
      {said.map((sentence, index) => (
        <p key={index}>{sentence}</p>
      ))}
    </div>
  );
}

/** What is to be read out. It does not stay: a message may be deleted. */
function useNews(desk: Desk, notifier: Notifier, other: string | null): readonly string[] {
  const [said, setSaid] = useState<readonly string[]>([]);
  useEffect(() => {
    let arrived: Message[] = [];
    let speaking: number | undefined;
    let silence: number | undefined;
    const speak = () => {
      setSaid(sentences(arrived, other, (email) => desk.people.get(email).name));
      arrived = [];
      speaking = undefined;
      clearTimeout(silence);
      silence = window.setTimeout(() => setSaid([]), SPOKEN_MS);
    };
    desk.chat.alerts = {
      messageArrived: (message) => {
        notifier.arrived(message);
        arrived.push(message);
        speaking ??= window.setTimeout(speak, GATHER_MS);
      },
      messageDeleted: (message) => {
        notifier.deleted(message);
        arrived = arrived.filter(({ id }) => id !== message);
      },
      changeFailed: desk.tell,
    };
    return () => {
      desk.chat.alerts = {};
      clearTimeout(speaking);
      clearTimeout(silence);
    };
  }, [desk, notifier, other]);
  return said;
}

/** A few messages of the open conversation whole, of everything else who wrote. */
function sentences(
  arrived: readonly Message[],
  other: string | null,
  nameOf: (email: string) => string,
): string[] {
  const senders = [...new Set(arrived.map(({ sender }) => sender))];
  return senders.flatMap((sender) => {
    const messages = arrived.filter((message) => message.sender === sender);
    const name = nameOf(sender);
    if (sender === other && messages.length <= MOST_READ_OUT)
      return messages.map(({ text }) => `${name}: ${text ?? ""}`);
    return [messages.length === 1 ? `New message from ${name}` : `${messages.length} new messages from ${name}`];
  });
}
