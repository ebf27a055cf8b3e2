import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { loadConfig } from "./config";
import { AuthApi } from "./session/auth_api";
import { Session } from "./session/session";
import { App } from "./ui/App";
import { Fault } from "./ui/Fault";
import "./style/base.css";
import "./style/controls.css";
import "./style/overlays.css";
import "./style/sidebar.css";
import "./style/conversation.css";
import "./style/messages.css";

const root = createRoot(document.getElementById("root")!);

async function start(): Promise<void> {
  try {
    const config = await loadConfig();
    const session = await Session.open(new AuthApi(config.auth));
    root.render(
      <StrictMode>
        <App session={session} socket={config.socket} />
      </StrictMode>,
    );
  } catch {
    root.render(<Fault again={() => void start()} />);
  }
}

void start();
