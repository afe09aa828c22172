"""Package mathematics."""
