"""The configuration: what may be set, its ranges and defaults, and the one door it is loaded through."""
