"""`make faults`: inject each fault for real and say what became of every reading; build/bench/faults.json.

Usage: python -m tests.faults [NAME ...] [--list]
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.postgres.server import Server
from tests.faults import broker, consumer, content, database, limits, outward, push, security
from tests.faults.ledger import Outcome, as_json
from tests.faults.rig import Rig, cluster

RESULT = Path("build/bench/faults.json")
"""Where the outcomes go."""

INSIDE = "XIAONA_FAULTS_INSIDE"
"""Set in the environment of the program within the slow namespace."""

ON_ONE = (
    consumer.killed, consumer.frozen, consumer.storm, consumer.silent_and_skewed, broker.killed, broker.produce_errors,
    limits.retention, limits.disk_full, limits.torn_segment, limits.corrupt_store, limits.killed_while_sealing,
    content.poison, content.clock_change, content.drift, outward.relay_killed, push.flood,
)  # fmt: skip
"""Faults that one plain broker is enough for, each with topics of its own."""


def faults() -> dict[str, Callable[[Path], Outcome]]:
    """Every fault by its name."""
    found: dict[str, Callable[[Path], Outcome]] = {}
    for fault in ON_ONE:
        found[_name(fault)] = lambda folder, fault=fault: _on_one(fault, folder)  # type: ignore[misc]
    found["content.disorder"] = _disorder
    found["broker.one_of_three_killed"] = _on_three
    found["broker.slow_network"] = _slow
    found["security.refused"] = _secured
    for with_server in (database.killed, database.locked, database.slow):
        found[_name(with_server)] = lambda folder, fault=with_server: _with_server(fault, folder)  # type: ignore[misc]
    return found


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Faults; all by default.")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Name them and end.")] = False,
) -> None:
    """Run them, one after the other; exit code 1 where something was lost, doubled, out of order or silent."""
    known = faults()
    if list_them:
        typer.echo("\n".join(known))
        return
    if unknown := [name for name in names or [] if name not in known]:
        raise typer.BadParameter(f"no such fault: {', '.join(unknown)}; there are {', '.join(known)}")
    outcomes = []
    for name in names or list(known):
        with tempfile.TemporaryDirectory(prefix="xiaona-fault-") as folder:
            Path(folder).chmod(0o755)
            try:
                outcome = known[name](Path(folder))
            except (Exception, SystemExit) as cause:
                # A fault that could not be gone through with is one that we did not stand: shown with the others.
                outcome = Outcome(name, 0, 0, 0, 0, 0, 0, 0.0, f"not gone through with: {cause}"[:400], holds=False)
        outcomes.append(outcome)
        if not os.environ.get(INSIDE):
            typer.echo(f"{'good' if outcome.is_good else 'BAD '} {name}: {outcome.note[:150]}", err=True)
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        Path(os.environ.get(INSIDE) or RESULT).write_text(as_json(outcomes), encoding="utf-8")
    _show(outcomes)
    raise typer.Exit(0 if all(outcome.is_good for outcome in outcomes) else 1)


def _name(fault: Callable[..., Outcome]) -> str:
    return f"{fault.__module__.rpartition('.')[2]}.{fault.__name__}"


def _on_one(fault: Callable[[Rig], Outcome], folder: Path) -> Outcome:
    with cluster(folder / "kafka") as one:
        return fault(Rig(one, folder / "rig"))


def _disorder(folder: Path) -> Outcome:
    with cluster(folder / "kafka") as one, cluster(folder / "other") as other:
        return content.disorder(Rig(one, folder / "rig"), Rig(other, folder / "rig-other"))


def _on_three(folder: Path) -> Outcome:
    with cluster(folder / "kafka", 3) as three:
        return broker.one_of_three_killed(Rig(three, folder / "rig"))


def _secured(folder: Path) -> Outcome:
    with cluster(folder / "kafka", is_secured=True, users={"nobody": "nobody-secret"}) as one:
        return security.refused(Rig(one, folder / "rig"))


def _slow(folder: Path) -> Outcome:
    """Within a namespace: the outcome comes back as a file."""
    if os.environ.get(INSIDE):
        return _on_one(broker.slow_network, folder)
    file = folder / "inside.json"
    return broker.in_slow_namespace("broker.slow_network", file, INSIDE)


def _with_server(fault: Callable[[Rig, Server], Outcome], folder: Path) -> Outcome:
    with _server(folder / "postgres") as server, cluster(folder / "kafka") as one:
        return fault(Rig(one, folder / "rig", server.url), server)


@contextmanager
def _server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _show(outcomes: list[Outcome]) -> None:
    table = Table(title="faults")
    columns = ("name", "sent", "acknowledged", "stored", "lost", "duplicated", "misordered", "recovery_seconds", "good")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="left" if column == "name" else "right")
    for o in outcomes:
        numbers = (o.sent, o.acknowledged, o.stored, o.lost, o.duplicated, o.misordered)
        words = [o.name, *(f"{number:,}" for number in numbers), f"{o.recovery_seconds:.1f}"]
        table.add_row(*words, "yes" if o.is_good else "NO")
    Console(file=sys.stdout, width=150).print(table)


if __name__ == "__main__":
    typer.run(main)
