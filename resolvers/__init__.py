"""The GraphQL schema: types, resolvers and DataLoaders, which call `scoring` and convert its results.

Business rules, SQL and HTTP do not belong here.
"""
