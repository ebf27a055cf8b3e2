"""Fault injection: real processes under load, hurt on purpose, and judged by what clients saw."""
