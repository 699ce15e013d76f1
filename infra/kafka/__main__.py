"""`python -m infra.kafka`: a cluster in the foreground until Ctrl-C, with Xiaona's topics made."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from infra.kafka.cluster import Cluster
from infra.kafka.topics import TOPICS


def main(
    brokers: Annotated[int, typer.Option(help="One or three.")] = 1,
    folder: Annotated[Path, typer.Option(help="Data, keys and logs; the same one goes on.")] = Path("build/kafka/dev"),
    secured: Annotated[bool, typer.Option(help="TLS, SCRAM users and ACLs.")] = False,
    user: Annotated[list[str] | None, typer.Option(help="NAME=PASSWORD of a SCRAM user besides admin.")] = None,
    partitions: Annotated[int, typer.Option(help="Partitions of each topic.")] = 4,
) -> None:
    """Run it."""
    users = dict(word.split("=", 1) for word in user or [])
    cluster = Cluster(folder, brokers, secured, users)
    try:
        cluster.start()
        cluster.create_topics(TOPICS, partitions)
        typer.echo(f"bootstrap.servers={cluster.bootstrap}")
        for name, value in cluster.client().items() if secured else ():
            typer.echo(f"{name}={value}")
        typer.echo("Ctrl-C ends it")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()


if __name__ == "__main__":
    typer.run(main)
