"""Recycled memory: bounded pools of events and level blocks behind one Recycler."""
