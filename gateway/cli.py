"""The command line: `explore`. Each command reads the settings, calls one function, and says how it went."""

import asyncio
import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import SQLAlchemyError
from typer.core import TyperGroup

from db.errors import DatabaseLayerError, InvalidRecord, StoreUnavailable
from db.imports.importer import find_files
from db.models import Role
from db.redaction import redact
from db.schema import require_current
from gateway.background.worker import run_worker
from gateway.callers.token_authority import token_authority
from gateway.commands import (
    evaluate_command,
    import_command,
    outbox_command,
    prepare,
    reindex_command,
    train_command,
    trends_command,
)
from gateway.commands.console import console, print_plain, program_name, with_program_name
from gateway.commands.doctor import print_findings, run_checks
from gateway.commands.known_user import unknown_user_warning
from gateway.commands.welcome import print_welcome
from gateway.data_folder import require_data, require_secret
from gateway.errors import CannotStart
from gateway.logs import configure_logs
from gateway.server import listen, run_server
from gateway.settings import Settings, load_settings
from resolvers.schema import sdl
from scoring import weights
from scoring.errors import InsufficientData, InvalidModel
from scoring.evaluation.protocols import Options, Windows

out = console()
err = console(stderr=True)

STOPPED = 130
"""The exit code after Ctrl-C, as shells have it: 128 and the number of SIGINT."""

_AFTER_STOP = {
    "import": "; whole batches are in, run it again to go on from there",
    "demo": "; if the data folder is new, delete it and run this again",
    "reindex": "; the index in service is as it was, run it again to go on from there",
    "train": "; nothing has changed",
}
"""What a command leaves when it is stopped."""


class _Commands(TyperGroup):
    """Turns what the product raises on purpose into one sentence and an exit code."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return super().make_context(program_name(), args, parent, **extra)  # usage lines name it as it was called

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            message, code = f"stopped{_AFTER_STOP.get(ctx.invoked_subcommand, '')}", STOPPED
        except (DatabaseLayerError, CannotStart, InsufficientData, InvalidModel) as error:
            message, code = _sentence(error), _exit_code(error)
        except SQLAlchemyError as error:
            message, code = (
                f"the database refuses a statement ({prepare.driver_message(error)}); try: explore doctor",
                1,
            )
        except OSError as error:
            is_full = error.errno == errno.ENOSPC
            if error.errno == errno.EPIPE or (error.filename is None and not is_full):
                raise
            advice = "; run this as its owner, or change its permissions" if isinstance(error, PermissionError) else ""
            reason = (error.strerror or "no reason given").lower()
            message, code = f"{error.filename or 'the output'} cannot be used: {reason}{advice}", 2
        err.print(
            redact(f"explore: {with_program_name(message)}"), style="red", markup=False, highlight=False, soft_wrap=True
        )
        ctx.exit(code)


def _sentence(error: Exception) -> str:
    if isinstance(error, StoreUnavailable):
        return f"the {error.store.value} cannot be reached ({error.reason}); try: explore doctor"
    return str(error)


def _exit_code(error: Exception) -> int:
    """Return 2 for a fault of the call, 1 for one of the installation."""
    if isinstance(error, CannotStart):
        return error.exit_code
    return 2 if isinstance(error, InvalidRecord | InsufficientData | InvalidModel) else 1


app = typer.Typer(
    cls=_Commands,
    help="A GraphQL gateway that serves personalized explore pages and explains every rank.",
    epilog="Settings come from the environment or a file .env in the folder where the command runs; none is needed. "
    f"Start with: {program_name()} serve --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _writable(file: Path | None) -> Path | None:
    """Refuse a file that cannot be written before any work is done."""
    if file is not None and (file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK)):
        raise typer.BadParameter(f"{file} cannot be written; name a file in a folder that is there and can be written")
    return file


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [HOST, 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [PORT, 8000]")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.  [WORKERS, 1]")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo data if the store is empty.")] = False,
) -> None:
    """Bring the schema up to date and serve; Ctrl-C stops. Makes the data folder (VAR_DIR) if it is missing."""
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
    """Bring the schema of the database up to date. Makes the data folder (VAR_DIR) if it is missing."""
    applied = asyncio.run(prepare.migrate_only(_settings(), _say))
    _say(f"applied {', '.join(applied)}" if applied else "the schema was up to date")


@app.command()
def demo() -> None:
    """Load the demo data into an empty store. Makes the data folder (VAR_DIR) if it is missing."""
    if not asyncio.run(prepare.prepare(_settings(), demo=True, say=_say)):
        raise CannotStart(
            "the store is not empty, so the demo data was left out; set DATABASE_URL or VAR_DIR to an empty one"
        )


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the .jsonl or .jsonl.gz files.")],
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing at all if one line is bad.")] = False,
    refused: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_writable, help="Write every refused line's fault here.")
    ] = None,
) -> None:
    """Read a catalog, users and interactions from a folder; doing it twice changes nothing.

    Makes the data folder (VAR_DIR) if it is missing. Exit code 0: all went in; 1: some lines were refused; 2: nothing
    could be read or written.
    """
    code = asyncio.run(_import(_settings(), directory, strict, refused))
    raise typer.Exit(code)


@app.command()
def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's platform key.")],
    role: Annotated[Role | None, typer.Option(help="A role for the token; without it the user's own counts.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=87_600, help="How long it is good.")] = 24.0,
) -> None:
    """Print a bearer token for a user, and nothing else on standard output.

    For a user whom the database does not know, a warning goes to standard error; the token is good all the same,
    and the user is made at the first write.
    """
    settings = _settings()
    require_secret(settings)
    made = token_authority(settings).issue(user, role, hours)
    if doubt := asyncio.run(unknown_user_warning(settings, user)):
        _say(f"warning: {doubt}")
    typer.echo(made)


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(sdl().rstrip("\n"))


@app.command()
def doctor() -> None:
    """Check Python, the settings and the stores, and say how to fix what is wrong; exit code 1 says that something is.

    Looks at the data folder (VAR_DIR) and makes nothing.
    """
    findings = asyncio.run(run_checks(load_settings()))
    raise typer.Exit(print_findings(out, findings))


@app.command()
def worker() -> None:
    """Drain the outbox and do the periodic jobs, beside servers or instead of them; Ctrl-C stops."""
    asyncio.run(run_worker(_settings_of_data()))


@app.command()
def reindex(
    check: Annotated[bool, typer.Option("--check", help="Compare with the database and repair what differs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --check: only say what differs.")] = False,
) -> None:
    """Write the vector index anew from the database and swap it in.

    With --check, exit code 1 says that the index differed or that rows still wait for it.
    """
    if dry_run and not check:
        raise InvalidRecord("--dry-run goes with --check: explore reindex --check --dry-run")
    settings = _settings_of_data()
    if not check:
        for line in asyncio.run(reindex_command.reindex(settings, err)):
            _say(line)
        return
    found = asyncio.run(reindex_command.check(settings, repair=not dry_run))
    for what in ("missing", "stale", "surplus"):
        for kind, key in getattr(found.differences, what):
            typer.echo(f"{what} {kind.value}:{key}")
    _say(found.told(repaired=not dry_run))
    raise typer.Exit(0 if found.is_clean else 1)


@app.command()
def outbox(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[KIND:KEY]...", help="Dead rows, by name.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try them again; without a name, all.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget them: the index stays as it is.")] = False,
) -> None:
    """Show how far the index is behind and which rows it refuses; exit code 1 says that some are dead."""
    if retry and drop:
        raise InvalidRecord("give either --retry or --drop, not both")
    if rows and not (retry or drop):
        raise InvalidRecord("say what to do with them: --retry or --drop")
    raise typer.Exit(asyncio.run(_outbox(_settings_of_data(), rows or [], retry, drop)))


@app.command()
def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in the format of `explore import`.")],
    protocol: Annotated[evaluate_command.Protocol, typer.Option(help="How it is replayed.")] = (
        evaluate_command.Protocol.FEED_REQUESTS
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Splits of the protocol random.")] = 5,
    floor: Annotated[int, typer.Option(min=1, help="People from which neighbour signals count.")] = (
        weights.ANONYMITY_FLOOR
    ),
    window: Annotated[
        tuple[datetime, datetime, datetime] | None,
        typer.Option(metavar="FROM UNTIL TEST", help="UTC: fit from FROM to UNTIL, test up to TEST."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Test on what comes after the windows, for one last look.")] = (
        False
    ),
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_writable, help="Write all numbers here.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", callback=_writable, help="Write a page with plots here.")
    ] = None,
) -> None:
    """Measure the product's own ranking on a folder, with baselines beside it."""
    parted = Windows(*(moment.replace(tzinfo=UTC).timestamp() for moment in window)) if window else None
    options = Options(seed=seed, floor=floor, windows=parted, last_window=last)
    evaluate_command.run_evaluate(directory, protocol, options, rounds=seeds, json_file=json, html_file=html)


@app.command()
def train(
    name: Annotated[str | None, typer.Option(help="What the model is called; a date unless you say.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and log give the same model.")] = 0,
) -> None:
    """Fit a model and the constants of trends to this installation's log; they serve if they are better later on."""
    raise typer.Exit(asyncio.run(_train(_settings_of_data(), name, seed)))


@app.command()
def models(
    use: Annotated[
        str | None, typer.Option("--use", metavar="NAME", help="Put this one, or a preset, in service.")
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Go back to the one that served before.")] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=_writable, help="Write a page with all curves and reports."),
    ] = None,
) -> None:
    """List the ranking models, choose the one that serves, or draw their curves."""
    if sum((use is not None, back, html is not None)) > 1:
        raise InvalidRecord("one of --use, --back and --html at a time")
    if html is not None:
        html.write_text(asyncio.run(_drawn_models(_settings_of_data())), encoding="utf-8")
        _say(f"wrote {html}")
        return
    asyncio.run(_models(_settings_of_data(), use, back))


@app.command(name="trends")
def list_trends(
    use: Annotated[
        int | None, typer.Option("--use", metavar="N", min=0, help="Put these in service; 0 for those that ship.")
    ] = None,
) -> None:
    """List the fitted constants of trends, or go back to earlier ones."""
    asyncio.run(_trends(_settings_of_data(), use))


def _settings(**overrides: Any) -> Settings:
    settings = load_settings(**overrides)
    configure_logs(settings)
    return settings


def _settings_of_data() -> Settings:
    """Read the settings for a command that works on data that is there, and makes none."""
    settings = _settings()
    require_data(settings)
    return settings


def _say(sentence: str) -> None:
    print_plain(err, redact(with_program_name(sentence)))


async def _import(settings: Settings, directory: Path, strict: bool, refused: Path | None) -> int:
    find_files(directory)  # before anything is made
    async with prepare.open_migrated(settings, _say) as stores:
        return await import_command.run_import(stores.database, directory, strict=strict, refused=refused)


async def _outbox(settings: Settings, rows: list[str], retry: bool, drop: bool) -> int:
    async with prepare.open_database(settings) as database:
        await require_current(database)
        if retry:
            _say(f"{len(await outbox_command.retry(database, rows))} rows live again")
        elif drop:
            _say(f"{len(await outbox_command.drop(database, rows))} rows are forgotten")
        else:
            return await outbox_command.show(database, out)
    return 0


async def _train(settings: Settings, name: str | None, seed: int) -> int:
    async with prepare.open_migrated(settings) as stores:
        await trends_command.run_train_trends(stores.database, seed, out)
        return await train_command.run_train(stores.database, name, weights.ANONYMITY_FLOOR, seed, out)


async def _trends(settings: Settings, use: int | None) -> None:
    async with prepare.open_migrated(settings) as stores:
        await trends_command.run_trends(stores.database, use, out)


async def _models(settings: Settings, use: str | None, back: bool) -> None:
    async with prepare.open_migrated(settings) as stores:
        await train_command.run_models(stores.database, out, use, back)


async def _drawn_models(settings: Settings) -> str:
    async with prepare.open_migrated(settings) as stores:
        return await train_command.models_report(stores.database)
