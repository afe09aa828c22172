"""Use cases: one function for each write, callable without GraphQL, with the rules that decide what is refused and why.

Statements belong in `db/`; translating arguments and results of the graph belongs in `resolvers/`.
"""
