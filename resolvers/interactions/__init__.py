"""Package interactions."""
