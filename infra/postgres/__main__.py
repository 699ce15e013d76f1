"""`python -m infra.postgres`: a server in the foreground until Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

import typer

from infra.postgres.server import Server


def main(
    folder: Annotated[Path, typer.Option(help="Data and log; the same one goes on.")] = Path("build/postgres"),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 for a free one.")] = 0,
) -> None:
    """Run it."""
    server = Server(folder, port)
    try:
        server.start()
        typer.echo(server.url)
        typer.echo("Ctrl-C ends it")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    typer.run(main)
