"""Who may push, and how often: bearer tokens bound to sites, and a bucket of requests for each sender."""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gridcore.errors import BadInputError

ALL_SITES = "*"
"""In place of a site: the sender may speak for every one."""

_BEARER = re.compile(r"[Bb]earer +([\x21-\x7e]{1,512})")


class Sender(BaseModel):
    """One token's holder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """What logs and receipts call it; it stays the same when its token is changed."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Hash of its token, so that the file gives no token away: `printf %s TOKEN | sha256sum`."""

    sites: Annotated[tuple[str, ...], Field(min_length=1)]
    """Sites that it may speak for; `*` for all."""

    @property
    def allowed(self) -> frozenset[str] | None:
        """Its sites; None for all."""
        return None if ALL_SITES in self.sites else frozenset(self.sites)


class Senders(BaseModel):
    """All that may push: a TOML file with a table `[[sender]]` for each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: Annotated[tuple[Sender, ...], Field(min_length=1)]
    """Holders of tokens, each with a name and a token of its own."""

    @model_validator(mode="after")
    def _told_apart(self) -> Senders:
        for names in ([each.name for each in self.sender], [each.sha256 for each in self.sender]):
            if len(set(names)) < len(names):
                raise ValueError("two senders of one name or one token")
        return self

    def of(self, authorization: str) -> Sender | None:
        """The holder of the token in a header `Authorization: Bearer TOKEN`; None where there is none."""
        found = _BEARER.fullmatch(authorization.strip())
        given = hashlib.sha256(found[1].encode() if found else b"").hexdigest()
        holder = None
        # Each one is looked at, whichever it is: how long it takes tells nothing about the tokens.
        for sender in self.sender:
            if hmac.compare_digest(sender.sha256, given):
                holder = sender
        return holder if found else None


def read_senders(path: Path) -> Senders:
    """The senders of a file; raises `BadInputError` naming the file and what is wrong, never a token."""
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise BadInputError("no readable tokens file", file=path, got=cause.strerror, wanted="a TOML file") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise BadInputError("a tokens file that is no TOML", file=path, wanted="a TOML file") from cause
    try:
        return Senders(**words)
    except ValidationError as cause:
        first = cause.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        wanted = "tables [[sender]] with name, sha256 of the token in hex, and sites"
        # The cause would show what came, which may be a token in clear.
        raise BadInputError("a wrong tokens file", file=path, asset=place, got=first["msg"], wanted=wanted) from None


@dataclass
class _Bucket:
    """What a sender may still send."""

    left: float
    """Requests."""

    seen_s: float
    """When it was last looked at, on a clock that never goes back [s]."""


class RateLimit:
    """A bucket of requests for each sender, which fills again steadily.

    Args:
        per_second: Requests a second in the long run.
        burst: Requests at once.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second, self._burst = per_second, float(burst)
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, sender: str, now_s: float) -> float:
        """Take one request out; 0 where there was one, else how long until there is [s]."""
        bucket = self._buckets.setdefault(sender, _Bucket(self._burst, now_s))
        bucket.left = min(self._burst, bucket.left + (now_s - bucket.seen_s) * self._per_second)
        bucket.seen_s = now_s
        if bucket.left >= 1.0:
            bucket.left -= 1.0
            return 0.0
        return (1.0 - bucket.left) / self._per_second
