"""Columns in memory: what rankings read of all projects, recent first engagements and factors, as NumPy arrays.

The database stays authoritative: pages verify visibility, and a viewer's own data is read for each ranking.
"""
