"""The faces of the reports: a read-only MCP server, and plain HTTP beside it."""
