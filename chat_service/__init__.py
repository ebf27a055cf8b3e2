"""The chat service: messages, history, WebSockets, fan-out between its instances.

ARCHITECTURE.md draws its packages; each one's docstring says what it is for and what it must
never know. A package imports only those below it, and only what their `__init__` names.
"""
