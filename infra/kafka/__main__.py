"""`python -m infra.kafka`: a cluster in the foreground until Ctrl-C, with Xiaona's topics made.

While it runs, a line on its standard input does something to one broker: `kill 2`, `start 2`, `stop 2`, `freeze 2`,
`thaw 2`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from infra.foreground import in_foreground
from infra.kafka.acls import PREFIX, allow
from infra.kafka.cluster import Cluster
from infra.kafka.properties import Ports
from infra.kafka.topics import TOPICS


def main(
    brokers: Annotated[int, typer.Option(help="One or three.")] = 1,
    folder: Annotated[Path, typer.Option(help="Data, keys and logs; the same one goes on.")] = Path("build/kafka/dev"),
    port: Annotated[int, typer.Option(help="First port; a broker takes three, its clients' first.")] = 19092,
    secured: Annotated[bool, typer.Option(help="TLS, SCRAM users and ACLs.")] = False,
    user: Annotated[
        list[str] | None,
        typer.Option(help=f"NAME=PASSWORD of a SCRAM user besides admin, who may use what is named {PREFIX}*."),
    ] = None,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic.")] = 4,
) -> None:
    """Run one broker or three on loopback until Ctrl-C. Lines it obeys: kill N, start N, stop N, freeze N, thaw N."""
    if any("=" not in word for word in user or []):
        raise typer.BadParameter("a user is NAME=PASSWORD", param_hint="--user")
    users = dict(word.split("=", 1) for word in user or [])
    ports = tuple(Ports(*range(first, first + 3)) for first in range(port, port + 3 * brokers, 3))
    cluster = Cluster(folder, brokers, secured, users, ports)

    def start() -> None:
        cluster.start()
        cluster.create_topics(TOPICS, partitions)
        for name in users if secured else ():
            allow(cluster, name)
        for word, value in cluster.client().items():
            typer.echo(f"{word}={value}")
        typer.echo("Ctrl-C ends it")

    in_foreground(start, cluster.stop, lambda line: _obey(cluster, line))


def _obey(cluster: Cluster, line: str) -> None:
    acts: dict[str, Callable[[int], None]] = {
        "start": cluster.start_broker,
        "stop": cluster.stop_broker,
        "kill": cluster.kill_broker,
        "freeze": lambda number: cluster.signal_broker(number, signal.SIGSTOP),
        "thaw": lambda number: cluster.signal_broker(number, signal.SIGCONT),
    }
    act, _, number = line.partition(" ")
    wanted = f"{', '.join(acts)} and a broker from 1 to {cluster.brokers}"
    if act not in acts or not number.isdigit() or int(number) not in cluster.numbers:
        typer.echo(f"{line}: not understood; wanted {wanted}", err=True)
        return
    if cluster.is_running(int(number)) == (act == "start"):
        typer.echo(f"{line}: broker {number} {'runs already' if act == 'start' else 'does not run'}", err=True)
        return
    acts[act](int(number))
    if act == "start":
        cluster.wait_until_ready()
    typer.echo(f"{line}: done")


if __name__ == "__main__":
    typer.run(main)
