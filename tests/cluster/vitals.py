"""What a service says of its own health: its process metrics, and the faults in its log."""

import json
import urllib.request
from pathlib import Path

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families


class Vitals(Struct, frozen=True):
    """Of one process: resident memory in bytes, open file descriptors, tasks of its event loop."""

    resident: float
    descriptors: float
    tasks: float


def scrape(url: str) -> dict[str, float]:
    """Every metric without labels that the service at `url` exposes."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.labels
    }


def vitals(url: str) -> Vitals:
    found = scrape(url)
    return Vitals(
        resident=found["process_resident_memory_bytes"],
        descriptors=found["process_open_fds"],
        tasks=found["asyncio_tasks"],
    )


def faults(log: Path) -> list[str]:
    """Lines that no input may cause: errors, and whatever was not logged but printed."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            level = json.loads(line)["level"]
        except (ValueError, KeyError, TypeError):
            level = "printed"
        if level not in ("debug", "info", "warning"):
            found.append(line)
    return found
