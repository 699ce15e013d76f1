"""The console: progress on standard error, results on standard output, errors of ours as words and exit codes."""

from __future__ import annotations

import errno
import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from gridcore.errors import BadInputError, BrokenInvariantError, GridError, NoSpaceError

INTERRUPTED = 130
"""Exit code after Ctrl-C or a termination signal; the same command resumes."""

FULL = ("the disk is full; what was committed stays", NoSpaceError.exit_code)
REFUSED = ("a file can't be used", BadInputError.exit_code)
OF_THE_DISK = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FULL),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG), REFUSED),
}
"""What the system can refuse a user, in words, and the exit code; any other failure of it is a bug of ours."""

errors = Console(stderr=True)
"""Progress and messages."""

results = Console()
"""Results alone, so that standard output can be piped."""


def print_json(value: Any) -> None:
    """Print one JSON document; NaN is not JSON, so that a figure that is missing must be null."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False, default=str) + "\n")


class Bars:
    """Progress bars by stage; a stage without a size shows a spinner until the next one begins."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, Any] = {}

    def stage(self, name: str, total: int) -> None:
        """Begin a stage of `total` steps; 0 where its size is not known."""
        for task in self._progress.tasks:
            if task.total is None:
                self._progress.update(task.id, total=1, completed=1)
        self._tasks[name] = self._progress.add_task(name.replace("_", " "), total=total or None)

    def step(self, name: str) -> None:
        """One more step of a stage is done."""
        self._progress.advance(self._tasks[name])

    def finish(self) -> None:
        """End the stages without a size."""
        for task in self._progress.tasks:
            if task.total is None:
                self._progress.update(task.id, total=1, completed=1)


@contextmanager
def bars() -> Iterator[Bars]:
    """Progress bars on standard error while the block runs."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description:<20}"), BarColumn(bar_width=36), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=errors, refresh_per_second=4) as progress:
        shown = Bars(progress)
        yield shown
        shown.finish()


def run(command: Callable[[], Any]) -> int:
    """Run a command; its exit code. Errors of ours end in one line of words, a bug of ours in its stack trace.

    Args:
        command: The whole command line, parsed by typer.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Outside its standalone mode typer returns the code of an `Exit` instead of raising it.
        code = command()
    except BrokenInvariantError as error:
        traceback.print_exception(error)
        return error.exit_code
    except GridError as error:
        _say(str(error))
        return error.exit_code
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        words, code = OF_THE_DISK[error.errno]
        _say(f"{words} (file {error.filename or 'not told'}; got {error.strerror})")
        return code
    except typer.TyperException as error:
        # A word of the command line that nobody knows, or one that is missing; a lone `xiaona` shows its help instead.
        if words := error.format_message():
            _say(words)
            errors.print("xiaona --help, and --help after a command, tell which words there are", highlight=False)
        return BadInputError.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    if code == INTERRUPTED:  # typer makes this code of an interrupt, without a word
        errors.print("interrupted: the same command resumes where it stopped", highlight=False)
    return code if isinstance(code, int) else 0


def _say(words: str) -> None:
    """An error's words as they are: brackets in them, as in a list that came, are no markup."""
    errors.print(f"[bold red]error[/]: {escape(words)}", highlight=False, soft_wrap=True)


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
