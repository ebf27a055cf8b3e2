"""Runs the whole backend on one machine, for `make run-all` and for the tests."""
