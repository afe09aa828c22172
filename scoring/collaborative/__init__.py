"""What other people did, as signals: evidence from an event log or from the truth, and what is built of it at night."""
