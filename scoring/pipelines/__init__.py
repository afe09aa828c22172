"""One module for each feed: what is asked of the stores, in which order, and what becomes of it."""
