"""Package replay."""
