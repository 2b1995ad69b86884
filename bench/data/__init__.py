"""Frames and workloads that every path of a comparison is given alike."""
