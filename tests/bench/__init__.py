"""The benchmark: what a message costs, side by side with what aiohttp alone would cost."""
