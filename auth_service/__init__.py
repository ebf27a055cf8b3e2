"""The auth service: sign-up, login, sessions, and the keys that verify its access tokens.

A package imports only those below it: api, accounts, outbox, then sessions and employees, then
passwords and tokens.
"""
