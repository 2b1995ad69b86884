"""Who receives: mailboxes, runners, subscriptions, and the context a strategy sees."""
