"""Package database."""
