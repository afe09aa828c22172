"""`explore schema`."""

import typer

from resolvers.schema import sdl


def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(sdl().rstrip("\n"))
