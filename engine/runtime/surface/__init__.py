"""The operator's surface: HTTP on loopback, in a thread of its own, which asks the engine's loop for everything."""
