"""Order, duplicates, routes: one event to the consumers of its stream."""
