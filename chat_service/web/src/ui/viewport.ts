import { useEffect } from "react";

/** Makes the page lower where the keyboard would cover it, as on iPhones. */
export function useViewport(): void {
  useEffect(() => {
    const view = window.visualViewport;
    if (!view) return;
    const fit = () => {
      if (view.scale > 1.01) return; // zoomed in
      document.documentElement.style.setProperty("--height", `${view.height}px`);
      if (view.offsetTop > 0) window.scrollTo(0, 0);
    };
    view.addEventListener("resize", fit);
    return () => view.removeEventListener("resize", fit);
  }, []);
}
