"""Data one way, commands the other."""
