// Whether a list follows its end. By itself the end moves away, while heights are measured and
// messages come; only a person leaves it.

const NEAR_END_PX = 60;
/** How long after a gesture its scrolling may begin. */
const GESTURE_MS = 1_000;
const STILL_FRAMES = 3;

export class EndFollower {
  #following = true;
  #jumping = false;
  #gestureAt = -Infinity;

  constructor(private readonly list: () => HTMLElement | null) {}

  get following(): boolean {
    return this.#following;
  }

  /** A person is about to scroll, perhaps. */
  gesture(): void {
    this.#gestureAt = performance.now();
    this.#jumping = false;
  }

  toEnd(): void {
    const list = this.list();
    if (!list) return;
    this.#following = true;
    this.#jumping = false;
    list.scrollTop = list.scrollHeight;
  }

  /** `go` scrolls elsewhere, in several steps as heights get known; `arrived` when that is over. */
  jump(go: () => void, arrived: () => void): void {
    this.#following = false;
    this.#jumping = true;
    go();
    let before = "";
    let still = 0;
    const look = () => {
      const list = this.list();
      if (!this.#jumping || !list) return;
      const now = `${list.scrollTop} ${list.scrollHeight}`;
      still = now === before ? still + 1 : 0;
      before = now;
      if (still < STILL_FRAMES) return void requestAnimationFrame(look);
      this.#jumping = false;
      arrived();
    };
    requestAnimationFrame(look);
  }

  /** The list was scrolled, or its height changed. */
  moved(): void {
    const list = this.list();
    if (!list || this.#jumping) return;
    const below = list.scrollHeight - list.scrollTop - list.clientHeight;
    if (below < NEAR_END_PX) this.#following = true;
    else if (performance.now() - this.#gestureAt < GESTURE_MS) this.#following = false;
    else if (this.#following) this.toEnd();
  }
}
