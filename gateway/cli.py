"""The command line: `explore`. Each command reads the settings, calls one function, and says how it went."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from db.errors import IndexIncomplete, InvalidRecord, MigrationPending, StoreUnavailable, TurnLost
from db.models import Role
from db.redaction import redact
from db.schema import require_current
from gateway.background.worker import run_worker
from gateway.callers.auth import authority_of
from gateway.commands import evaluating, importing, outbox_command, preparing, training, trends
from gateway.commands.doctor import examine, print_findings
from gateway.commands.welcome import print_welcome
from gateway.errors import CannotStart
from gateway.logs import configure_logs
from gateway.serving import listen, run_server
from gateway.settings import Settings, load_settings
from resolvers.schema import sdl
from scoring import weights
from scoring.errors import ModelInvalid, NotEvaluable
from scoring.evaluation.protocols import Options, Windows

out = Console()
err = Console(stderr=True)


class _Commands(TyperGroup):
    """Turns what the product raises on purpose into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except CannotStart as error:
            return _give_up(ctx, error.message, error.exit_code)
        except InvalidRecord as error:
            return _give_up(ctx, error.message, 2)
        except (NotEvaluable, ModelInvalid) as error:
            return _give_up(ctx, str(error), 2)
        except StoreUnavailable as error:
            return _give_up(ctx, f"the {error.store.value} cannot be reached ({error.reason}); try: explore doctor", 1)
        except (MigrationPending, IndexIncomplete, TurnLost) as error:
            return _give_up(ctx, str(error), 1)


def _give_up(ctx: Any, message: str, code: int) -> None:
    err.print(redact(f"explore: {message}"), style="red", markup=False, highlight=False, soft_wrap=True)
    ctx.exit(code)


app = typer.Typer(
    cls=_Commands,
    help="A GraphQL gateway that serves personalised explore pages and explains every rank.",
    epilog="Settings come from the environment or a file .env; none is needed. Start with: explore serve --demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [HOST, 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [PORT, 8000]")] = None,
    workers: Annotated[int | None, typer.Option(help="Server processes.  [WORKERS, 1]")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo data if the store is empty.")] = False,
) -> None:
    """Bring the schema up to date and serve; Ctrl-C stops."""
    settings = _settings(host=host, port=port, workers=workers)
    with listen(settings) as listening:
        asyncio.run(preparing.prepare(settings, demo=demo, say=_say))
        has_viewers = demo and asyncio.run(preparing.holds_demo_data(settings))
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
    """Bring the schema of the truth up to date."""
    applied = asyncio.run(preparing.migrate_only(_settings()))
    _say(f"applied {', '.join(applied)}" if applied else "the schema was up to date")


@app.command()
def demo() -> None:
    """Load the demo data into an empty store."""
    if not asyncio.run(preparing.prepare(_settings(), demo=True, say=_say)):
        raise CannotStart(
            "the store is not empty, so the demo data was left out; set DATABASE_URL or VAR_DIR to an empty one"
        )


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the .jsonl or .jsonl.gz files.")],
    strict: Annotated[bool, typer.Option("--strict", help="Write nothing at all if one line is bad.")] = False,
    refused: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every refused line's fault here.")] = None,
) -> None:
    """Read a catalogue, users and interactions from a folder; doing it twice changes nothing."""
    code = asyncio.run(_import(_settings(), directory, strict, refused))
    raise typer.Exit(code)


@app.command()
def token(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's platform key.")],
    role: Annotated[Role | None, typer.Option(help="A role for the token; without it the user's own counts.")] = None,
    hours: Annotated[float, typer.Option(min=0.01, max=87_600, help="How long it is good.")] = 24.0,
) -> None:
    """Print a bearer token for a user, and nothing else."""
    settings = _settings()
    typer.echo(authority_of(settings).issue(user, role, hours))


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    typer.echo(sdl().rstrip("\n"))


@app.command()
def doctor() -> None:
    """Check Python, the settings and the stores, and say how to mend what is wrong."""
    findings = asyncio.run(examine(load_settings()))
    raise typer.Exit(print_findings(out, findings))


@app.command()
def worker() -> None:
    """Drain the outbox and do the periodic jobs, beside servers or instead of them; Ctrl-C stops."""
    asyncio.run(run_worker(_settings()))


@app.command()
def reindex(
    check: Annotated[bool, typer.Option("--check", help="Compare with the truth and mend what differs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --check: only say what differs.")] = False,
) -> None:
    """Write the vector index anew from the truth and swap it in; with --check, exit code 1 says that it differed."""
    if dry_run and not check:
        raise InvalidRecord("--dry-run goes with --check: explore reindex --check --dry-run")
    if not check:
        report = asyncio.run(preparing.reindex(_settings(), err))
        _say(f"the index is whole: {report.written} written, {report.kept} kept, {report.refused} refused")
        return
    found = asyncio.run(preparing.check(_settings(), repair=not dry_run))
    for what in ("missing", "stale", "surplus"):
        for kind, key in getattr(found, what):
            typer.echo(f"{what} {kind.value}:{key}")
    if not found:
        _say("the index is as the truth is")
        return
    _say(f"{len(found)} differ" if dry_run else f"{len(found)} differed and were mended")
    raise typer.Exit(1)


@app.command()
def outbox(
    rows: Annotated[list[str] | None, typer.Argument(metavar="[KIND:KEY]...", help="Dead rows, by name.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try them again; without a name, all.")] = False,
    drop: Annotated[bool, typer.Option("--drop", help="Forget them: the index stays as it is.")] = False,
) -> None:
    """Show how far the index is behind and which rows it refuses; exit code 1 says that some are dead."""
    if retry and drop:
        raise InvalidRecord("either --retry or --drop")
    if rows and not (retry or drop):
        raise InvalidRecord("say what to do with them: --retry or --drop")
    raise typer.Exit(asyncio.run(_outbox(_settings(), rows or [], retry, drop)))


@app.command()
def evaluate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder in the format of `explore import`.")],
    protocol: Annotated[evaluating.Protocol, typer.Option(help="How it is replayed.")] = (
        evaluating.Protocol.FEED_REQUESTS
    ),
    seed: Annotated[int, typer.Option(help="The same seed gives the same numbers.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Splits of the protocol random.")] = 5,
    floor: Annotated[int, typer.Option(min=1, help="People from which neighbour signals count.")] = (
        weights.PEOPLE_FLOOR
    ),
    window: Annotated[
        tuple[datetime, datetime, datetime] | None,
        typer.Option(metavar="FROM UNTIL TEST", help="UTC: fit from FROM to UNTIL, test up to TEST."),
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Test on what comes after the windows, for one last look.")] = (
        False
    ),
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all numbers here.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with plots here.")] = None,
) -> None:
    """Measure the product's own ranking on a folder, with baselines beside it."""
    parted = Windows(*(moment.replace(tzinfo=UTC).timestamp() for moment in window)) if window else None
    options = Options(seed=seed, floor=floor, windows=parted, last_window=last)
    evaluating.run_evaluate(directory, protocol, options, rounds=seeds, json_file=json, html_file=html)


@app.command()
def train(
    name: Annotated[str | None, typer.Option(help="What the model is called; a date unless you say.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and log give the same model.")] = 0,
) -> None:
    """Fit a model and the constants of trends to this installation's log; they serve if they are better later on."""
    raise typer.Exit(asyncio.run(_train(_settings(), name, seed)))


@app.command()
def models(
    use: Annotated[
        str | None, typer.Option("--use", metavar="NAME", help="Put this one, or a preset, in service.")
    ] = None,
    back: Annotated[bool, typer.Option("--back", help="Go back to the one that served before.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with all curves and reports.")] = None,
) -> None:
    """List the ranking models, choose the one that serves, or draw their curves."""
    if sum((use is not None, back, html is not None)) > 1:
        raise InvalidRecord("one of --use, --back and --html at a time")
    if html is not None:
        html.write_text(asyncio.run(_drawn_models(_settings())), encoding="utf-8")
        _say(f"wrote {html}")
        return
    asyncio.run(_models(_settings(), use, back))


@app.command(name="trends")
def list_trends(
    use: Annotated[
        int | None, typer.Option("--use", metavar="N", min=0, help="Put these in service; 0 for those that ship.")
    ] = None,
) -> None:
    """List the fitted constants of trends, or go back to earlier ones."""
    asyncio.run(_trends(_settings(), use))


def _settings(**overrides: Any) -> Settings:
    settings = load_settings(**overrides)
    configure_logs(settings)
    return settings


def _say(sentence: str) -> None:
    err.print(redact(sentence), markup=False, highlight=False, soft_wrap=True)


async def _import(settings: Settings, directory: Path, strict: bool, refused: Path | None) -> int:
    async with preparing.open_migrated(settings) as stores:
        return await importing.run_import(stores.database, directory, strict=strict, refused=refused)


async def _outbox(settings: Settings, rows: list[str], retry: bool, drop: bool) -> int:
    async with preparing.open_database(settings) as database:
        await require_current(database)
        if retry:
            _say(f"{len(await outbox_command.retry(database, rows))} rows live again")
        elif drop:
            _say(f"{len(await outbox_command.drop(database, rows))} rows are forgotten")
        else:
            return await outbox_command.show(database, out)
    return 0


async def _train(settings: Settings, name: str | None, seed: int) -> int:
    async with preparing.open_migrated(settings) as stores:
        await trends.run_train_trends(stores.database, seed, out)
        return await training.run_train(stores.database, name, weights.PEOPLE_FLOOR, seed, out)


async def _trends(settings: Settings, use: int | None) -> None:
    async with preparing.open_migrated(settings) as stores:
        await trends.run_trends(stores.database, use, out)


async def _models(settings: Settings, use: str | None, back: bool) -> None:
    async with preparing.open_migrated(settings) as stores:
        await training.run_models(stores.database, out, use, back)


async def _drawn_models(settings: Settings) -> str:
    async with preparing.open_migrated(settings) as stores:
        return await training.drawn_models(stores.database)
