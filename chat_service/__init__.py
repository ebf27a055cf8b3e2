"""The chat service: messages, history, WebSockets, fan-out between its instances."""
