"""Records that come in: their shape, and the import of whole folders."""
