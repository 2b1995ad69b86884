"""The report bus beyond one process: entries as JSON, and the streams that carry them."""
