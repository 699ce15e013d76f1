"""`python -m infra.postgres`: a server in the foreground until Ctrl-C.

While it runs, a line on its standard input does something to it: `kill`, `start`, `freeze`, `thaw`.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from infra.foreground import in_foreground
from infra.postgres.server import Server


def main(
    folder: Annotated[Path, typer.Option(help="Data and log; the same one goes on.")] = Path("build/postgres"),
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 for a free one.")] = 0,
) -> None:
    """Run a private server on loopback until Ctrl-C. Lines it obeys: kill, start, freeze, thaw."""
    server = Server(folder, port)

    def start() -> None:
        server.start()
        typer.echo(server.url)
        typer.echo("Ctrl-C ends it")

    in_foreground(start, server.stop, lambda line: _obey(server, line))


def _obey(server: Server, line: str) -> None:
    acts: dict[str, Callable[[], None]] = {
        "kill": server.kill,
        "start": server.start,
        "freeze": lambda: server.signal_all(signal.SIGSTOP),
        "thaw": lambda: server.signal_all(signal.SIGCONT),
    }
    if line not in acts:
        typer.echo(f"{line}: not understood; wanted {', '.join(acts)}", err=True)
    elif line == "start" and server.is_running:
        typer.echo("start: the server runs already", err=True)
    else:
        acts[line]()
        typer.echo(f"{line}: done")


if __name__ == "__main__":
    typer.run(main)
