"""Who acts, and what is known of them: accounts, interests, settings, and how all of it is handed over or deleted."""
