"""Fuzzing: input that nobody should send, in numbers that nobody would write down."""
