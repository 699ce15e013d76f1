"""Errors: one root, one class for each thing that a caller does differently.

Outcomes that are normal (infeasible, late, stale) are results, not errors; see `gridcore.plan.PlanStatus`.
"""

from __future__ import annotations


class GridError(Exception):
    """Root of all errors of ours; the offending thing is in attributes as well as in the words.

    Args:
        what: What is wrong, in one clause.
        file: File that it came from, if any.
        asset: Asset, bus, branch or channel it is about, if any.
        instant: Instant it is about, as it came (text or ISO 8601), if any.
        got: What came.
        wanted: What was wanted.
    """

    exit_code = 2
    """Process exit code of the command that ends with this error (INTERFACES.md)."""

    def __init__(
        self,
        what: str,
        *,
        file: object = None,
        asset: object = None,
        instant: object = None,
        got: object = None,
        wanted: object = None,
    ) -> None:
        self.what, self.file, self.asset = what, file, asset
        self.instant, self.got, self.wanted = instant, got, wanted
        named = [("file", file), ("asset", asset), ("instant", instant), ("got", got), ("wanted", wanted)]
        details = "; ".join(f"{name} {value}" for name, value in named if value is not None)
        super().__init__(f"{what} ({details})" if details else what)


class BadInputError(GridError):
    """What the user or a file gave can't be used: the caller shows the words and ends with exit code 2."""


class HistoryTooShortError(BadInputError):
    """There is less history than a model needs to be fitted: the caller falls back to a baseline and says so."""


class LimitViolatedError(GridError):
    """A plan or a realised state breaks a limit or a balance: exit code 3."""

    exit_code = 3


class StoreDamagedError(GridError):
    """The store's content contradicts its own checksums or offsets: exit code 4, nothing is repaired silently."""

    exit_code = 4


class StoreConflictError(GridError):
    """Another process owns the store: it moved the offset first (a zombie's commit is refused), or keeps it locked.

    Nothing is damaged: the caller reads again, or the user ends one of the two processes; exit code 2.
    """


class StreamGapError(GridError):
    """The stream no longer holds what comes next (retention, a topic made anew): the user decides; exit code 2."""


class StreamTrippedError(GridError):
    """Too large a share of what arrives can't be used: the stream is not what we think it is; exit code 2."""


class StoreUnreachableError(GridError):
    """The store's server does not answer, or stopped answering: the caller waits and tries again; exit code 2.

    Nothing is half kept: after a connection that was lost at a commit, the offsets tell whether the batch was.
    """


class NoSpaceError(GridError):
    """The disk is full: exit code 5; what was committed stays."""

    exit_code = 5


class ProcessKilledError(GridError):
    """The system ended a worker process, for want of memory as a rule: exit code 130, the same command resumes."""

    exit_code = 130


class BrokenInvariantError(GridError):
    """A law of ours does not hold, which is a bug of ours: the run stops at once, exit code 1, with its stack trace."""

    exit_code = 1
