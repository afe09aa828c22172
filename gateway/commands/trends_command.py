"""`explore trends`, and the part of `explore train` that fits trend constants."""

from rich.console import Console
from rich.table import Table

from db.database.engine import Database
from db.trained_models.velocity_constants import all_constants
from gateway.commands.console import print_plain
from scoring.errors import InsufficientData
from scoring.training.trend_lifecycle import activate_trends, train_trends


async def run_train_trends(database: Database, seed: int, output: Console) -> None:
    """Train once and print the outcome; too small a log is no failure."""
    try:
        verdict = await train_trends(database, seed)
    except InsufficientData as too_little:
        print_plain(output, f"trends: {too_little}")
        return
    outcome = "new constants are active" if verdict.accepted else "new constants are stored, the active ones stay"
    print_plain(output, f"trends: {outcome}: {verdict.because}")


async def run_trends(database: Database, use: int | None, output: Console) -> None:
    """List the sets of trend constants, or activate one; 0 for the built-in constants.

    Raises
    ------
    InvalidRecord, InvalidModel
        If there is no such set, or it cannot be used; the active constants stay.
    """
    if use is not None:
        await activate_trends(database, use)
        print_plain(output, f"constants {use} are active" if use else "the built-in constants are active")
        return
    stored = await all_constants(database)
    table = Table("constants", "created", "active", "NDCG@10 when judged", "against")
    for one in stored:
        judged = one.report.get("ndcg@10", {})
        created, active = f"{one.created_at:%Y-%m-%d %H:%M} UTC", "yes" if one.is_active else ""
        table.add_row(str(one.id), created, active, str(judged.get("new", "")), str(judged.get("active", "")))
    output.print(table)
    if not any(one.is_active for one in stored):
        print_plain(output, "the built-in constants are active")
