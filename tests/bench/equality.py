"""`make bench-equality`: a recording through a real broker decides what its replay decides, killed or not.

Usage: python -m tests.bench.equality [--days N] [--kills N] [--seed N]

By the programs that people run: `xiaona record`, `replay`, `play`, and `run --config` with the row `ours`, on both
stores; its whole process is killed (-9) at random points of the scored hours and started again. Exits with 1 where a
hash differs.
"""

from __future__ import annotations

import json
import random
import secrets
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from threading import Event
from time import perf_counter
from typing import Annotated, Any

import typer

from gridcore.timeline import PERIOD, day_start
from infra.kafka.cluster import Cluster
from infra.postgres.server import Server
from ingest.catalogue import open_grid
from pipeline.stores import open_store, open_tables
from storage.columns import instant_of
from tests.bench.result import Figure, write_figures

GRID, START = "example-9", date(2025, 3, 30)
"""The clock goes forward in that night."""

INCOMING, OUTGOING = ("telemetry", "official", "outage"), ("forecast", "plan", "setpoint", "dead_letter")
"""Topics by the names between prefix and version."""

PATIENCE_S = 900.0
"""How long a run may take to its next point [s]."""

LOOK_S = 0.05
"""How often the store is asked how far the run is [s]."""

LONGEST_DELAY_S = 0.5
"""A kill comes up to so long after a decision: within the next one, which takes 0.1 to 0.5 s [s]."""


@dataclass(frozen=True)
class Life:
    """One start of the program, and where it was killed."""

    after: datetime
    """The decision after which it was killed."""

    delay_s: float
    """How long after it was seen [s]."""


@dataclass
class Scene:
    """Where the recording is, what its replay decided, and the broker that it is played into."""

    home: Path
    recording: Path
    days: int
    cluster: Cluster
    wanted: str

    def run(self, name: str, store: str, lives: list[Life]) -> tuple[str, float]:
        """Play the recording into new topics and run the loop on them, killed at the end of each of the lives.

        Args:
            name: Of topics and folders.
            store: Address or directory of an empty store.
            lives: Where it is killed; then it runs to its end.

        Returns:
            `decisions_sha256` of the whole run, and seconds.
        """
        self.cluster.create_topics([f"{name}.{topic}.v1" for topic in (*INCOMING, *OUTGOING)])
        config = self.home / f"{name}.toml"
        config.write_text(
            f"""recording = "{self.recording}"\nstart = {START}\ndays = {self.days}\nclock = "virtual"
work = "{self.home / name}"\n[store]\nurl = "{store}"
[stream]\nbootstrap_servers = "{self.cluster.bootstrap}"\nprefix = "{name}"\n""",
            encoding="utf-8",
        )
        xiaona("play", str(self.recording), "--to", f"kafka://{self.cluster.bootstrap}", "--config", str(config))
        open_store(store).close()
        began = perf_counter()
        for life in lives:
            kill_after(life, config, store)
        told = xiaona("run", "--config", str(config))
        return str(told["decisions_sha256"]), perf_counter() - began


def kill_after(life: Life, config: Path, store: str) -> None:
    """Start the run and kill it (-9) after a decision."""
    process = subprocess.Popen(_command("run", "--config", str(config)), stdout=subprocess.DEVNULL)
    try:
        with closing(open_tables(store)) as tables:
            until_s = perf_counter() + PATIENCE_S
            while (at := tables.rows("SELECT max(issue_time) FROM decision")[0][0]) is None or instant_of(
                at
            ) < life.after:
                if process.poll() is not None or perf_counter() > until_s:
                    raise AssertionError(f"it ended by itself, or never came to {life.after}: {process.returncode}")
                Event().wait(LOOK_S)
        Event().wait(life.delay_s)
        if process.poll() is not None:
            raise AssertionError(f"it came to its end before it was killed after {life.after}")
    finally:
        process.kill()
        process.wait()


def draw_lives(draw: random.Random, count: int, days: int) -> list[Life]:
    """Random points of the scored hours, in their order; the last hour is left to the life that comes to the end."""
    zone = open_grid(GRID).network.zone
    start = day_start(START, zone)
    ticks = (day_start(START + timedelta(days=days), zone) - start) // PERIOD
    places = sorted(draw.sample(range(ticks - 4), count))
    return [Life(start + (place - 1) * PERIOD, draw.uniform(0.0, LONGEST_DELAY_S)) for place in places]


def xiaona(*words: str) -> Any:
    """What a command tells as JSON."""
    done = subprocess.run(_command(*words), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    if done.returncode:
        raise AssertionError(f"{words}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return json.loads(done.stdout)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipeline.cli", *words]


def main(
    days: Annotated[int, typer.Option(help="Scored days.")] = 1,
    kills: Annotated[int, typer.Option(help="Kills in each run that is killed.")] = 5,
    seed: Annotated[int | None, typer.Option(help="Of the kills' points; drawn if not given.")] = None,
) -> None:
    """Measure, write build/bench/equality.json and print it."""
    seed = secrets.randbits(32) if seed is None else seed
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="xiaona-equality-") as name:
        home = Path(name)
        home.chmod(0o755)
        recording = home / "recording"
        same = ("--start", str(START), "--days", str(days))
        xiaona("record", "--grid", GRID, *same, "--out", str(recording))
        replay = xiaona("replay", "--recording", str(recording), *same, "--rows", "ours", "--json")
        wanted = str(replay["decisions_sha256"])
        typer.echo(f"seed {seed}; the replay decided {wanted}", err=True)
        cluster, server = Cluster(home / "kafka", cache=Path("build/kafka")), Server(home / "postgres")
        try:
            cluster.start()
            server.start()
            figures = _figures(Scene(home, recording, days, cluster, wanted), server, draw, kills)
        finally:
            cluster.stop()
            server.stop()
    write_figures("equality", [Figure("seed of the kills", float(seed), "1"), *figures])
    if any(figure.ratio != 1.0 for figure in figures):
        raise typer.Exit(1)


def _figures(scene: Scene, server: Server, draw: random.Random, kills: int) -> list[Figure]:
    figures = []
    for kind in ("embedded", "postgres"):
        for lives in ([], draw_lives(draw, kills, scene.days)):
            name = f"{kind}-{len(lives)}"
            store = str(scene.home / f"{name}-store")
            if kind == "postgres":
                store = server.create_database(f"equality_{len(lives)}")
            found, seconds = scene.run(name, store, lives)
            points = ", ".join(f"{life.after:%d %H:%M} UTC + {life.delay_s:.2f} s" for life in lives)
            typer.echo(f"{name}: {found} {points}", err=True)
            figures.append(
                Figure(
                    f"run on {kind}, killed {len(lives)} times",
                    seconds,
                    "s",
                    f"{found[:12]}, replay {scene.wanted[:12]}; {points}",
                    float(found == scene.wanted),
                )
            )
    return figures


if __name__ == "__main__":
    typer.run(main)
