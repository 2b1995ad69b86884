"""From a consumer's order to the venue and back: ids, risk, the journal, the desk."""
