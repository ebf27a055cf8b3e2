import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The page takes its scripts and styles from its own files only: nothing is put in line, because
// the Content-Security-Policy would refuse it.
export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    cssTarget: ["chrome123", "firefox120", "safari17.5"], // they know light-dark()
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(
      ["/ws", "/messages", "/conversations", "/presence", "/config.json"].map((path) => [
        path,
        { target: "http://127.0.0.1:8002", ws: path === "/ws" },
      ]),
    ),
  },
});
