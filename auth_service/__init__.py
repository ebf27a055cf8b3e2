"""Sign-up, login, sessions, and the keys by which everyone else believes our tokens."""
