"""A report of an order as JSON, straight from its fields: each one is kept in the journal and told to its owner."""
