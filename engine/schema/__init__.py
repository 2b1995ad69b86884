"""What is said: events, instruments, commands, ports, and the one codec."""
