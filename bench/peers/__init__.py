"""Other engines on the same frames, each in an environment and a process of its own."""
