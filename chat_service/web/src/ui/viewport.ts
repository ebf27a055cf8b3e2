import { useEffect } from "react";

/** Where a keyboard covers the page instead of making it lower, as on iPhones, the page does it. */
export function useViewport(): void {
  useEffect(() => {
    const view = window.visualViewport;
    if (!view) return;
    const fit = () => {
      if (view.scale > 1.01) return; // somebody looks closer
      document.documentElement.style.setProperty("--height", `${view.height}px`);
      if (view.offsetTop > 0) window.scrollTo(0, 0);
    };
    view.addEventListener("resize", fit);
    return () => view.removeEventListener("resize", fit);
  }, []);
}
