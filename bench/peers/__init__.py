"""Other engines on the same frames, each in an environment and a process of its own.

``processes`` lays the other modules out as the package ``peer`` there, together with ``engine.bench.timing``.
"""
