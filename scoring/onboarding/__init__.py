"""The quiz that the catalogue makes of itself."""
