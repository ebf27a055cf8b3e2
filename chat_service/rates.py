"""The name under which `session` knows the limiter that both services share."""

from shared.rates import RateLimiter as RateLimiter
