"""Vector stores: one protocol, an engine per package, and the text analysis and score fusion that they share.

Storing and searching vectors and keywords belongs here. Computing vectors and selecting documents does not.
"""
