"""Venues: from their bytes to canonical events. A venue imports what stands here, never another venue."""
