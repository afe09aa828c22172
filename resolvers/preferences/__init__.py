"""What viewers decide about their own page and data: interests, mutes, settings, status, export and deletion."""
