"""What a report says, put into its event in one call: name by name is what an order's way costs most by."""
