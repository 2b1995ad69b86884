"""What a report says, put into its event in one call: name by name, that was most of what a report cost."""
