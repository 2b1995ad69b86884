"""Batches as numpy structured arrays: the fixed-width fields of one event type, copied once."""
