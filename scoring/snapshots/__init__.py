"""Rankings as they are kept: what one is, where it is found, and the pages and cursors that walk it."""
