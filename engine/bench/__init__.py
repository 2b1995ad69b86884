"""Benchmarks that ship: each with its floor or baseline in the same run (`engine-run bench`)."""
