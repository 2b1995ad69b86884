"""Exact decimal text and scaled integers, for Python callers; C code cimports engine.base.units."""
