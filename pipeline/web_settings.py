"""`[http]` and `[metrics]` of a live run's TOML: where senders push to, and where operators look."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pipeline.http import Limits
from pipeline.http_server import Address, address_of

NODE = r"^([A-Za-z0-9][A-Za-z0-9._-]{0,63})?$"
"""A server's name: a part of its source's name in the store."""


class HttpSettings(BaseModel):
    """The door for pushed readings."""

    model_config = ConfigDict(extra="forbid")

    listen: str
    """`http://127.0.0.1:PORT`, or `https://HOST:PORT` with a certificate."""

    tokens_file: Path
    """Who may push, see docs/http.md."""

    certificate_file: Path | None = None
    """Our certificate (PEM), for https."""

    key_file: Path | None = None
    """Its private key (PEM)."""

    node: str = Field(default="", pattern=NODE)
    """This server's name among those that fill one store."""

    in_clear: bool = False
    """http for other machines too: a proxy before it does TLS."""

    body_bytes: int = Field(default=Limits.body_bytes, ge=1)
    """Bytes of a body at most."""

    per_second: float = Field(default=Limits.per_second, gt=0)
    """Requests a second of one sender in the long run."""

    burst: int = Field(default=Limits.burst, ge=1)
    """Requests of one sender at once."""

    @property
    def address(self) -> Address:
        """Where to listen; raises `BadInputError` where that is wrong."""
        return address_of(self.listen, self.certificate_file, self.key_file, in_clear=self.in_clear)

    @property
    def limits(self) -> Limits:
        """What is refused."""
        return Limits(body_bytes=self.body_bytes, per_second=self.per_second, burst=self.burst)


class MetricsSettings(BaseModel):
    """Health and metrics alone, which need no token."""

    model_config = ConfigDict(extra="forbid")

    listen: str
    """`http://HOST:PORT`."""

    @property
    def address(self) -> Address:
        """Where to listen; raises `BadInputError` where that is wrong."""
        return address_of(self.listen, in_clear=True)
