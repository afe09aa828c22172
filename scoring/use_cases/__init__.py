"""Use cases: one function per write, callable without GraphQL. They check the input and open the transaction.

SQL statements belong in `db/`; the conversion of GraphQL arguments and results belongs in `resolvers/`.
"""
