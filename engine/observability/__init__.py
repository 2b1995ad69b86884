"""Floor 2: logs, telemetry, dead letters, counters; for operators, never for consumers."""
