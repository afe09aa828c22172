"""Package connections."""
