"""Market reports: incremental analytics per (venue, symbol), exact inside, and the report they are composed into."""
