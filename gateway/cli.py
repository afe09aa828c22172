"""The command line `explore`: the list of its commands, and the reports of their errors.

A command's module is imported when the command runs: all modules together take three seconds to import, which
`explore --help` does not need.
"""

from collections.abc import Callable
from keyword import iskeyword
from pkgutil import resolve_name
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from gateway.commands.console import console, print_plain, program_name

COMMANDS = {
    "serve": (
        "serve_commands",
        "Migrate the database and serve until Ctrl-C. Creates a missing data folder (VAR_DIR).",
    ),
    "migrate": ("serve_commands", "Migrate the database. Creates a missing data folder (VAR_DIR)."),
    "demo": ("serve_commands", "Load the demo data into an empty store. Creates a missing data folder (VAR_DIR)."),
    "import": (
        "import_command",
        "Import projects, users and interactions from a folder; a repeated import changes nothing.",
    ),
    "token": ("token_command", "Print a bearer token for a user. Standard output has nothing else."),
    "schema": ("schema_command", "Print the GraphQL schema (SDL)."),
    "doctor": (
        "doctor",
        "Check Python, the settings and the stores, and print how to fix faults; exit code 1 if something is broken.",
    ),
    "worker": ("serve_commands", "Drain the outbox and run the periodic jobs in a process of its own, until Ctrl-C."),
    "reindex": ("reindex_command", "Rebuild the vector index from the database and activate it."),
    "outbox": (
        "outbox_command",
        "Show the backlog of the vector index and its dead rows; exit code 1 if there are dead rows.",
    ),
    "evaluate": ("evaluate_command", "Evaluate the ranking on a folder of data, with baselines for comparison."),
    "train": (
        "train_commands",
        "Train a ranking model and trend constants on this log; each is activated if it wins on a held-out window.",
    ),
    "models": ("train_commands", "List the ranking models, activate one, or plot their curves."),
    "trends": ("train_commands", "List the fitted trend constants, or activate a set."),
}
"""Commands by name: the module in `gateway.commands` that has the command's function, and the first paragraph of the
function's docstring."""

STOPPED = 130
"""Exit code after Ctrl-C, as in shells: 128 and the number of SIGINT."""

_AFTER_STOP = {
    "import": "; complete batches are stored, run it again to continue",
    "demo": "; if the data folder is new, delete it and run this again",
    "reindex": "; the active index has not changed, run it again to continue",
    "train": "; nothing has changed",
}
"""End of the message of a stopped command: the state of the data, and the next step."""


def find_function(module: str, name: str) -> Callable[..., None]:
    """Import the function of a command."""
    function_name = f"{name}_" if iskeyword(name) else name
    function: Callable[..., None] = resolve_name(f"gateway.commands.{module}:{function_name}")
    return function


class _LazyCommand(TyperCommand):
    """A command of `explore --help`, without its options. The module with the options is imported when it runs."""

    def __init__(self, name: str, module: str, summary: str) -> None:
        super().__init__(name, help=summary)
        self._module = module

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        command.command(self.name)(find_function(self._module, info_name or ""))
        return typer.main.get_command(command).make_context(info_name, args, parent, **extra)


class _Commands(TyperGroup):
    """Lists the commands, and reports an expected error as one sentence and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: _LazyCommand(name, *command) for name, command in COMMANDS.items()}

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return super().make_context(program_name(), args, parent, **extra)  # usage lines show the typed name

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            message, code = f"stopped{_AFTER_STOP.get(ctx.invoked_subcommand, '')}", STOPPED
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except Exception as error:
            from gateway.commands.failures import describe_failure  # noqa: PLC0415 (imports the errors of all layers)

            failure = describe_failure(error)
            if failure is None:
                raise
            message, code = failure
        print_plain(console(stderr=True), f"explore: {message}", style="red")
        ctx.exit(code)


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(
    epilog="Settings come from the environment or a file .env in the current folder; every one has a default. "
    f"Start with: {program_name()} serve --demo"
)
def explore() -> None:
    """A GraphQL gateway that serves personalized explore pages and explains every rank."""
