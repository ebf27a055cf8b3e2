// Notifications of the system, where the person allowed them and does not look at the page.

import type { People } from "../chat/people";
import type { Message } from "../protocol";

export class Notifier {
  constructor(
    private readonly people: People,
    private readonly open: (other: string) => void,
  ) {}

  arrived({ id, sender, text }: Message): void {
    if (!Notifier.allowed || (document.visibilityState === "visible" && document.hasFocus())) return;
    const { name } = this.people.get(sender);
    // Several tabs may be open: of notifications with one tag the system shows one.
    const notification = new Notification(name, { body: text ?? "", tag: id, icon: "/icon.svg" });
    notification.onclick = () => {
      window.focus();
      this.open(sender);
      notification.close();
    };
  }

  static get allowed(): boolean {
    return "Notification" in window && Notification.permission === "granted";
  }

  /** Whether it makes sense to ask. */
  static get askable(): boolean {
    return "Notification" in window && Notification.permission === "default";
  }

  static async ask(): Promise<boolean> {
    return (await Notification.requestPermission()) === "granted";
  }
}
