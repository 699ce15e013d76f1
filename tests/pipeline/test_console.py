"""Exit codes reach the shell, whichever way a command ends."""

from __future__ import annotations

import pytest
import typer

from gridcore.errors import BadInputError, LimitViolatedError, NoSpaceError, StoreDamagedError
from pipeline import console

VIOLATED = LimitViolatedError.exit_code


def ended(error: BaseException | None) -> int:
    """The exit code of a command line whose one command ends so."""
    app = typer.Typer()

    @app.command()
    def command() -> None:
        if error is not None:
            raise error

    return console.run(lambda: app([], standalone_mode=False))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, 0),
        (typer.Exit(VIOLATED), 3),
        (BadInputError("x"), 2),
        (LimitViolatedError("x"), 3),
        (StoreDamagedError("x"), 4),
        (NoSpaceError("x"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_a_command_ends_with_the_agreed_code(error, code):
    assert ended(error) == code
