"""Floor 6: the one place that knows every name; builds, wires, starts and stops in reverse."""
