"""The stores: relational truth, vectors, embeddings, cache, outbox, migrations."""
