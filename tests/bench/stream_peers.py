"""The same job by peers, each in an environment of its own: JSON from Kafka into SQLite, rows and offsets together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import typer

from infra.kafka.cluster import Cluster
from tests.bench.result import Figure
from tests.bench.stream_fill import fill_json

PEERS = {"faststream": "faststream[confluent]==0.7.8", "quixstreams": "quixstreams==3.28.1"}
"""What is installed for each."""

PATIENCE_S = 600.0
"""How long a peer may take [s]."""


def peer_figures(cluster: Cluster, home: Path, periods: int) -> list[Figure]:
    """Readings a second of each peer, on topics of fewer readings, since they take their time.

    Args:
        cluster: A running broker.
        home: Directory for their databases.
        periods: Periods of 1,000 readings.
    """
    rows = fill_json(cluster, "peer", periods)
    figures = []
    for name, package in PEERS.items():
        python = _environment(name, package)
        program = Path(__file__).parent / "peers" / f"keep_{name}.py"
        words = [python, str(program), cluster.bootstrap, "peer.telemetry.v1", str(rows), str(home / f"{name}.sqlite")]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        told = [line for line in done.stdout.split() if line.replace(".", "").isdigit()]
        if not told:
            raise AssertionError(f"{name} told no rate: {done.stdout[-500:]}{done.stderr[-1500:]}")
        figures.append(Figure(f"{name}: JSON into SQLite, rows and offsets together", float(told[-1]), "readings/s"))
    return figures


def _environment(name: str, package: str) -> str:
    """Python of a virtual environment that has the peer; made once."""
    place = Path("build/bench") / f"{name}-{package.rpartition('==')[2]}"
    python = place / "bin" / "python"
    if not python.is_file():
        typer.echo(f"installing {package}", err=True)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        quiet = ["-q", "--disable-pip-version-check"]
        subprocess.run([str(python), "-m", "pip", "install", *quiet, package], check=True)
    return str(python.absolute())
