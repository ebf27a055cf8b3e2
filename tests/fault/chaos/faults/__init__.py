"""What can be done to a system, each with its undoing."""
