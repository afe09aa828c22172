"""Vectors and keywords: a shadow of the truth that can be searched."""
