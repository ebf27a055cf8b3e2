// Keeps a list at its end. The end moves by itself, while heights are measured and messages arrive;
// only the person leaves it.

const NEAR_END_PX = 60;
/** How long after a gesture the scrolling that it causes may begin. */
const GESTURE_MS = 1_000;
const STILL_FRAMES = 3;

/**
 * - following: at the end, and kept there
 * - jumping: on the way to a row, in several steps; a gesture interrupts it
 * - left: wherever the person scrolled to; back at the end, it follows again
 */
type State = "following" | "jumping" | "left";

export class EndFollower {
  #state: State = "following";
  #gestureAt = -Infinity;

  constructor(private readonly list: () => HTMLElement | null) {}

  get following(): boolean {
    return this.#state === "following";
  }

  /** The person may be about to scroll. */
  gesture(): void {
    this.#gestureAt = performance.now();
    if (this.#state === "jumping") this.#state = "left";
  }

  toEnd(): void {
    const list = this.list();
    if (!list) return;
    this.#state = "following";
    list.scrollTop = list.scrollHeight;
  }

  /** `go` scrolls to a row, in several steps as heights are measured; `arrived` follows the last. */
  jump(go: () => void, arrived: () => void): void {
    this.#state = "jumping";
    go();
    let before = "";
    let still = 0;
    const look = () => {
      const list = this.list();
      if (this.#state !== "jumping" || !list) return;
      const now = `${list.scrollTop} ${list.scrollHeight}`;
      still = now === before ? still + 1 : 0;
      before = now;
      if (still < STILL_FRAMES) return void requestAnimationFrame(look);
      this.#state = "left";
      arrived();
    };
    requestAnimationFrame(look);
  }

  /** The list was scrolled, or its height changed. */
  moved(): void {
    const list = this.list();
    if (!list || this.#state === "jumping") return;
    const below = list.scrollHeight - list.scrollTop - list.clientHeight;
    if (below < NEAR_END_PX) this.#state = "following";
    else if (performance.now() - this.#gestureAt < GESTURE_MS) this.#state = "left";
    else if (this.#state === "following") this.toEnd();
  }
}
