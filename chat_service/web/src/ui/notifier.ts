// System notifications, if the person allowed them and is not looking at the page.

import type { Conversation } from "../chat/conversation";
import type { People } from "../chat/people";
import type { Message } from "../protocol";

/** Messages within this time give one notification for each conversation. */
const BATCH_MS = 300;

export class Notifier {
  #waiting = new Map<string, Message[]>();
  #shown = new Map<string, { notification: Notification; message: string }>();

  constructor(
    private readonly people: People,
    private readonly open: (other: string) => void,
  ) {}

  arrived(message: Message): void {
    if (!Notifier.allowed || isLookedAt()) return;
    if (this.#waiting.size === 0) setTimeout(() => this.#show(), BATCH_MS);
    const { sender } = message;
    this.#waiting.set(sender, [...(this.#waiting.get(sender) ?? []), message]);
  }

  /** This message was deleted: its text must not stay on the screen. */
  deleted(message: string): void {
    for (const [sender, messages] of this.#waiting) {
      this.#waiting.set(sender, messages.filter(({ id }) => id !== message));
    }
    for (const [sender, shown] of this.#shown) if (shown.message === message) this.#close(sender);
  }

  /** Closes the notifications of conversations that were read, on any device. */
  settle(conversations: ReadonlyMap<string, Conversation>): void {
    for (const sender of this.#shown.keys()) {
      if (conversations.get(sender)?.unread === 0) this.#close(sender);
    }
  }

  #show(): void {
    for (const [sender, messages] of this.#waiting) {
      const last = messages.at(-1);
      if (!last) continue;
      const { name } = this.people.get(sender);
      const title = messages.length === 1 ? name : `${name} · ${messages.length} new messages`;
      this.#close(sender);
      // Several tabs may be open. The system shows only one notification with the same tag.
      const notification = make(title, { body: last.text ?? "", tag: sender, icon: "/icon.svg" });
      if (!notification) continue;
      notification.onclick = () => {
        window.focus();
        this.open(sender);
        this.#close(sender);
      };
      this.#shown.set(sender, { notification, message: last.id });
    }
    this.#waiting.clear();
  }

  #close(sender: string): void {
    this.#shown.get(sender)?.notification.close();
    this.#shown.delete(sender);
  }

  static get allowed(): boolean {
    return "Notification" in window && Notification.permission === "granted";
  }

  /** Whether asking for permission makes sense. */
  static get askable(): boolean {
    return "Notification" in window && Notification.permission === "default" && !isPhone();
  }

  static async ask(): Promise<boolean> {
    return (await Notification.requestPermission()) === "granted";
  }
}

function isLookedAt(): boolean {
  return document.visibilityState === "visible" && document.hasFocus();
}

/** Null in Chromium on phones, where only a service worker can show notifications. */
function make(title: string, options: NotificationOptions): Notification | null {
  try {
    return new Notification(title, options);
  } catch {
    return null;
  }
}

function isPhone(): boolean {
  return /Android|iPhone|iPad/.test(navigator.userAgent);
}
