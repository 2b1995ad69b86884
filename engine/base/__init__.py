"""Floor 0: time, units, ids, the JSON reader and the error tree; imports nothing of the engine above it."""
