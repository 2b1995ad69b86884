"""Slow, plain twins of the engine: dicts and Decimals that say what the fast code must answer.

Nothing here imports the engine. A twin is judged by being easy to read, never by its speed.
"""
