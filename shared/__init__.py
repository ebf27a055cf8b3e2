"""What both services need. It imports neither of them."""
