"""Logs and metrics. It must never know storage, or HTTP beyond `/metrics`."""
