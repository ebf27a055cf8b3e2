"""Faults on purpose: chaos (everything breaks), fuzz (hostile input), soak (time)."""
