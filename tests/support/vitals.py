"""What a service says of its own health: its process metrics, and the faults in its log."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families


class Vitals(Struct, frozen=True):
    """Of one process: resident memory in bytes, open file descriptors, tasks of its event loop."""

    resident: float
    descriptors: float
    tasks: float


def scrape(url: str) -> dict[str, float]:
    """Every metric that the service at `url` exposes; labels go with the name: `name{a=b}`."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=30) as reply:
        text = reply.read().decode()
    return {
        sample.name + _labels(sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
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


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f"{name}={value}" for name, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""
