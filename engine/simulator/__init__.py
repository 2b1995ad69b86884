"""The simulated venues: seeded markets behind the protocols of Binance, Coinbase and Kraken, and a plain feed.

They run in a process of their own (``python -m engine.simulator``) and share no decoding and no checksum
code with ``engine.providers``, so that one mistake cannot hide on both sides.
"""
