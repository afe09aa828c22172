"""Documents (the text of one or more operations): parsed and validated once, however often they run."""
