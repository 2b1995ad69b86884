"""Where a source tree finds its recorded frames."""
