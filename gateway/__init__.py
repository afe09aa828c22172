"""The edge: HTTP, who is asking, limits, pages, command line, worker process."""
