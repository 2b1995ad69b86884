"""Benchmarks: corpora, baselines, peers, and the records of their results."""
