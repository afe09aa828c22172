"""Package trained_models."""
