"""Counts allocations: Python's by a hook on its allocators, the C heap's by what it has in use."""
