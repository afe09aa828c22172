"""Who a viewer is to the ranking: the profile, how well it is known, and what the viewer lets the ranking do."""
