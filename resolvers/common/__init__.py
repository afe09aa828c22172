"""Shared parts of all types: the request context, DataLoaders, costs, global ids, pages, scalars, enums and errors.

A type that only one package uses belongs to that package.
"""
