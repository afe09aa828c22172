"""The graph: Strawberry types, resolvers, DataLoaders."""
