"""Texts into vectors: one protocol, several models."""
