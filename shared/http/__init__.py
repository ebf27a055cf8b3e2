"""HTTP for both services: endpoints as values, errors as problems, documentation, limits.

It must never know what a service is for.
"""
