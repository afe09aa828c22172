"""How the index follows the truth: the outbox, its workers, and writing all of it anew."""
