"""What providers emit is stamped with the routing version and passed on."""
