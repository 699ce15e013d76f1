"""`make faults`: each fault injected for real, and what became of every reading that was sent meanwhile."""
