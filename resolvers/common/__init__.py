"""What every subject of the graph is made with: context, loaders, ids, scalars, and errors as data."""
