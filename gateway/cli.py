"""The command line `explore`: each command reads the settings, calls one function, and prints the outcome."""

import asyncio
import errno
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from db.actors.users import find_viewer
from db.database.engine import Database
from db.errors import DatabaseLayerError, InvalidRecord, StoreUnavailable
from db.imports.importer import find_files
from db.models import Role
from db.schema import require_current
from gateway.background.worker import run_worker
from gateway.callers.token_authority import token_authority
from gateway.commands import evaluate_command, import_command, outbox_command, prepare, reindex_command, train_command
from gateway.commands.console import console, print_plain, program_name
from gateway.commands.doctor import print_findings, run_checks
from gateway.commands.welcome import print_welcome
from gateway.data_folder import require_data, require_secret
from gateway.errors import CannotStart
from gateway.logs import configure_logs
from gateway.server import listen, run_server
from gateway.settings import Settings, load_settings
from gateway.stores import driver_message, open_database, open_migrated
from resolvers.schema import sdl
from scoring import tunables
from scoring.errors import InsufficientData, InvalidModel
from scoring.evaluation.protocols import Options, Windows

out = console()
err = console(stderr=True)

T = TypeVar("T")

STOPPED = 130
"""Exit code after Ctrl-C, as in shells: 128 and the number of SIGINT."""

_AFTER_STOP = {
    "import": "; whole batches are in, run it again to continue",
    "demo": "; if the data folder is new, delete it and run this again",
    "reindex": "; the active index has not changed, run it again to continue",
    "train": "; nothing has changed",
}
"""End of the message of a stopped command: the state of the data, and the next step."""


class _Commands(TyperGroup):
    """Reports expected errors as one sentence and an exit code."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return super().make_context(program_name(), args, parent, **extra)  # usage lines show the typed name

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            message, code = f"stopped{_AFTER_STOP.get(ctx.invoked_subcommand, '')}", STOPPED
        except (DatabaseLayerError, CannotStart, InsufficientData, InvalidModel) as error:
            message, code = _sentence(error), _exit_code(error)
        except SQLAlchemyError as error:
            message, code = f"the database rejects a statement ({driver_message(error)}); try: explore doctor", 1
        except OSError as error:
            is_full = error.errno == errno.ENOSPC
            if error.errno == errno.EPIPE or (error.filename is None and not is_full):
                raise
            advice = "; run this as its owner, or change its permissions" if isinstance(error, PermissionError) else ""
            reason = (error.strerror or "no reason given").lower()
            message, code = f"{error.filename or 'the output'} cannot be used: {reason}{advice}", 2
        print_plain(err, f"explore: {message}", style="red")
        ctx.exit(code)


def _sentence(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return f"the {error.store.value} cannot be reached ({error.reason}); try: explore doctor"
    return str(error)


def _exit_code(error: Exception) -> int:
    """Return 2 for wrong usage, 1 for a problem of the installation."""
    if isinstance(error, CannotStart):
        return error.exit_code
    return 2 if isinstance(error, InvalidRecord | InsufficientData | InvalidModel) else 1


app = typer.Typer(
    cls=_Commands,
    help="A GraphQL gateway that serves personalized explore pages and explains every rank.",
    epilog="Settings come from the environment or a file .env in the current folder; every one has a default. "
    f"Start with: {program_name()} serve --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _check_writable(file: Path | None) -> Path | None:
    """Refuse a file that cannot be written, before any work is done."""
    if file is not None and (file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK)):
        raise typer.BadParameter(f"{file} cannot be written; name a file in an existing folder that can be written")
    return file


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [HOST, 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [PORT, 8000]")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.  [WORKERS, 1]")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo data if the store is empty.")] = False,
) -> None:
    """Migrate the database and serve until Ctrl-C. Creates a missing data folder (VAR_DIR)."""
    settings = _settings(host=host, port=port, workers=workers)
    with listen(settings) as listening:
        asyncio.run(prepare.prepare(settings, demo=demo, say=_say))
        has_viewers = demo and asyncio.run(prepare.holds_demo_data(settings))
        if has_viewers:
            os.environ["DEMO_VIEWERS"] = "on"  # each server process reads its settings from the environment
        elif demo:
            _say(
                "this store holds other data than the demo's, so there are no demo viewers; for the demo set VAR_DIR "
                "or DATABASE_URL to an empty store"
            )
        print_welcome(out, settings, listening, demo=has_viewers)
        run_server(settings, listening)


@app.command()
def migrate() -> None:
    """Migrate the database. Creates a missing data folder (VAR_DIR)."""
    applied = asyncio.run(prepare.migrate_only(_settings(), _say))
    _say(f"applied {', '.join(applied)}" if applied else "the schema was up to date")


@app.command()
def demo() -> None:
    """Load the demo data into an empty store. Creates a missing data folder (VAR_DIR)."""
    if not asyncio.run(prepare.prepare(_settings(), demo=True, say=_say)):
        raise CannotStart(
            "the store is not empty, so no demo data was loaded; set DATABASE_URL or VAR_DIR to an empty one"
        )


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the .jsonl or .jsonl.gz files.")],
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing at all if one line is bad.")] = False,
    refused: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=_check_writable, help="Write each refused line's error here."),
    ] = None,
) -> None:
    """Import projects, users and interactions from a folder; a repeated import changes nothing.

    Creates a missing data folder (VAR_DIR). Exit code 0: all lines were imported; 1: some were refused; 2: nothing
    could be read or written.
    """
    code = asyncio.run(_import(_settings(), directory, strict, refused))
    raise typer.Exit(code)


@app.command()
def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's platform key.")],
    role: Annotated[Role | None, typer.Option(help="A role for the token. Default: the user's own role.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=87_600, help="Hours for which it is valid.")] = 24.0,
) -> None:
    """Print a bearer token for a user. Standard output has nothing else.

    For a user who is not in the database, a warning goes to standard error; the token is valid, and its first write
    creates the user.
    """
    settings = _settings()
    require_secret(settings)
    bearer = token_authority(settings).issue(user, role, hours)
    if warning := asyncio.run(_user_warning(settings, user)):
        _say(f"warning: {warning}")
    typer.echo(bearer)


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(sdl().rstrip("\n"))


@app.command()
def doctor() -> None:
    """Check Python, the settings and the stores, and print how to fix faults; exit code 1 if something is broken.

    Changes nothing, not even the data folder (VAR_DIR).
    """
    findings = asyncio.run(run_checks(load_settings()))
    raise typer.Exit(print_findings(out, findings))


@app.command()
def worker() -> None:
    """Drain the outbox and run the periodic jobs in a process of its own, until Ctrl-C."""
    asyncio.run(run_worker(_settings_of_data()))


@app.command()
def reindex(
    check: Annotated[bool, typer.Option("--check", help="Compare with the database and repair differences.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --check: only print the differences.")] = False,
) -> None:
    """Rebuild the vector index from the database and activate it.

    With --check, exit code 1 if the index differed or rows still wait for it.
    """
    if dry_run and not check:
        raise InvalidRecord("--dry-run goes with --check: explore reindex --check --dry-run")
    settings = _settings_of_data()
    if not check:
        for line in asyncio.run(reindex_command.reindex(settings, err)):
            _say(line)
        return
    comparison = asyncio.run(reindex_command.check(settings, repair=not dry_run))
    for difference in ("missing", "stale", "surplus"):
        for kind, key in getattr(comparison.differences, difference):
            typer.echo(f"{difference} {kind.value}:{key}")
    _say(comparison.summary(repaired=not dry_run))
    raise typer.Exit(0 if comparison.is_clean else 1)


@app.command()
def outbox(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[KIND:KEY]...", help="Dead rows, by name.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Retry them; without a name, all.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Delete them: the index stays as it is.")] = False,
) -> None:
    """Show the backlog of the vector index and its dead rows; exit code 1 if there are dead rows."""
    if retry and drop:
        raise InvalidRecord("give either --retry or --drop, not both")
    if rows and not (retry or drop):
        raise InvalidRecord("give --retry or --drop for the named rows")
    raise typer.Exit(asyncio.run(_outbox(_settings_of_data(), rows or [], retry, drop)))


@app.command()
def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in the format of `explore import`.")],
    protocol: Annotated[evaluate_command.Protocol, typer.Option(help="Evaluation protocol.")] = (
        evaluate_command.Protocol.FEED_REQUESTS
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same figures.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Number of splits of the protocol random.")] = 5,
    floor: Annotated[int, typer.Option(min=1, help="Minimum number of users and sessions for a neighbor signal.")] = (
        tunables.ANONYMITY_FLOOR
    ),
    window: Annotated[
        tuple[datetime, datetime, datetime] | None,
        typer.Option(metavar="FROM UNTIL TEST", help="UTC: fit from FROM to UNTIL, test up to TEST."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Test on the data after the windows, once at the end.")] = (
        False
    ),
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_check_writable, help="Write all figures here.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_check_writable, help="Write a page with plots here.")
    ] = None,
) -> None:
    """Evaluate the ranking on a folder of data, with baselines for comparison."""
    windows = Windows(*(moment.replace(tzinfo=UTC).timestamp() for moment in window)) if window else None
    options = Options(seed=seed, floor=floor, windows=windows, last_window=last)
    evaluate_command.run_evaluate(directory, protocol, options, rounds=seeds, json_file=json, html_file=html)


@app.command()
def train(
    name: Annotated[str | None, typer.Option(help="Name of the model. Default: the date.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and log give the same model.")] = 0,
) -> None:
    """Train a ranking model and trend constants on this log; each is activated only if it wins on a held-out window."""

    async def run(database: Database) -> int:
        await train_command.run_train_trends(database, seed, out)
        return await train_command.run_train(database, name, tunables.ANONYMITY_FLOOR, seed, out)

    raise typer.Exit(_on_database(_settings_of_data(), run))


@app.command()
def models(
    use: Annotated[str | None, typer.Option("--use", metavar="NAME", help="Activate this model, or a preset.")] = None,
    back: Annotated[bool, typer.Option("--back", help="Activate the model that was active before.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=_check_writable, help="Write a page with all curves and reports."),
    ] = None,
) -> None:
    """List the ranking models, activate one, or plot their curves."""
    if sum((use is not None, back, html is not None)) > 1:
        raise InvalidRecord("give only one of --use, --back and --html")
    if html is not None:
        html.write_text(_on_database(_settings_of_data(), train_command.models_report), encoding="utf-8")
        _say(f"wrote {html}")
        return
    _on_database(_settings_of_data(), lambda database: train_command.run_models(database, out, use, back))


@app.command(name="trends")
def list_trends(
    use: Annotated[
        int | None, typer.Option("--use", metavar="N", min=0, help="Activate this set; 0 for the built-in constants.")
    ] = None,
) -> None:
    """List the fitted trend constants, or activate a set."""
    _on_database(_settings_of_data(), lambda database: train_command.run_trends(database, use, out))


def _settings(**overrides: Any) -> Settings:
    settings = load_settings(**overrides)
    configure_logs(settings)
    return settings


def _settings_of_data() -> Settings:
    """Read the settings of a command that requires existing data."""
    settings = _settings()
    require_data(settings)
    return settings


def _say(sentence: str) -> None:
    print_plain(err, sentence)


async def _import(settings: Settings, directory: Path, strict: bool, refused: Path | None) -> int:
    find_files(directory)  # before anything is created
    await prepare.make_data_folder(settings, _say)
    async with open_migrated(settings) as stores:
        return await import_command.run_import(stores.database, directory, strict=strict, refused=refused)


async def _user_warning(settings: Settings, user: str) -> str | None:
    """Return a warning if the user is not in the database, or that cannot be checked; else None."""
    try:
        require_data(settings)
        async with open_database(settings) as database:
            await require_current(database)
            viewer = await find_viewer(database, user_key=user)
    except (CannotStart, DatabaseLayerError) as error:
        return f"cannot check whether the user exists: {error}"
    if viewer.user_id is not None:
        return None
    return f"no user has the key {user!r}: the token is valid, and its first write creates the user; check the spelling"


async def _outbox(settings: Settings, rows: list[str], retry: bool, drop: bool) -> int:
    async with open_database(settings) as database:
        await require_current(database)
        if retry:
            _say(f"{len(await outbox_command.retry(database, rows))} rows will be retried")
        elif drop:
            _say(f"{len(await outbox_command.drop(database, rows))} rows were deleted")
        else:
            return await outbox_command.show(database, out)
    return 0


def _on_database(settings: Settings, command: Callable[[Database], Coroutine[Any, Any, T]]) -> T:
    """Run a command on the migrated database."""

    async def run() -> T:
        async with open_migrated(settings) as stores:
            return await command(stores.database)

    return asyncio.run(run())
