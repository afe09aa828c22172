"""Who is asking: tokens, keys, sessions and addresses."""
