"""The quiz that the catalog makes of itself."""
