"""The graph: types, resolvers and DataLoaders. They translate arguments to calls of `scoring`, and results to types.

Business rules, SQL and HTTP do not belong here.
"""
