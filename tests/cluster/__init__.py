"""Tests against real processes: one auth service, several chat instances, MongoDB, RabbitMQ."""
