"""Why a project is where it is, as the graph shows it."""
