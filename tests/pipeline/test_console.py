"""Exit codes reach the shell, whichever way a command ends."""

from __future__ import annotations

import errno

import pytest
import typer

from gridcore.errors import (
    BadInputError,
    BrokenInvariantError,
    LimitViolatedError,
    NoSpaceError,
    StoreConflictError,
    StoreDamagedError,
)
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
        (BrokenInvariantError("x"), 1),
        (StoreConflictError("x"), 2),
        (LimitViolatedError("x"), 3),
        (StoreDamagedError("x"), 4),
        (NoSpaceError("x"), 5),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, "No space left on device"), 5),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 2),
    ],
)
def test_a_command_ends_with_the_agreed_code(error, code):
    assert ended(error) == code


def test_an_errors_brackets_are_words_and_no_markup(capsys):
    assert ended(BadInputError("a column", got="[/bold]", wanted="[bold]")) == 2
    assert "[/bold]" in capsys.readouterr().err


def test_a_usage_error_is_bad_input():
    app = typer.Typer()

    @app.command()
    def command(days: int) -> None:
        pass

    assert console.run(lambda: app(["two"], standalone_mode=False)) == 2
    assert console.run(lambda: app([], standalone_mode=False)) == 2
    assert console.run(lambda: app(["2", "--nope"], standalone_mode=False)) == 2


def test_a_bug_of_ours_ends_in_its_stack_trace(capsys):
    ended(BrokenInvariantError("a law of ours"))
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "BrokenInvariantError: a law of ours" in said


def test_an_interrupted_command_says_that_it_can_go_on(capsys):
    assert ended(KeyboardInterrupt()) == 130
    assert "the same command resumes" in capsys.readouterr().err


def test_a_failure_of_the_machine_that_no_user_can_mend_keeps_its_stack_trace():
    with pytest.raises(OSError, match="Bad file descriptor"):
        ended(OSError(errno.EBADF, "Bad file descriptor"))
