"""The simulator's own plain feed."""
