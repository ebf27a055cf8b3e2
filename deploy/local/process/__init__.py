"""Processes and ports of this machine: started, supervised, and gone when we are."""
