"""Package privacy."""
