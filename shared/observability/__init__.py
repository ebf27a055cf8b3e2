"""Logs and metrics. It must never know HTTP or storage."""
