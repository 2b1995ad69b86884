"""Floor 7: the command ``engine-run``; parses, calls, prints and decides nothing."""
