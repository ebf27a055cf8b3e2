"""What puts the services on a machine: images, compose, Kubernetes, and `make run-all`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The repository."""
