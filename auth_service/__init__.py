"""The auth service: sign-up, login, sessions, and the keys by which everyone else verifies tokens.

A package imports only those below it: api, accounts, outbox, sessions, employees, protocol,
passwords and tokens.
"""
