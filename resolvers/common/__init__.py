"""Shared parts of all types: the request's context, DataLoaders, costs, global ids, pages, scalars, enums and errors.

A type that only one subject shows belongs to the package of that subject.
"""
