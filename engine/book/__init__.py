"""The assembled book, its checksum, and the consumer's own copy. Pure: no socket, no clock, no log."""
