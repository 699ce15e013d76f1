"""What a user can set: a replay's arguments, and the TOML of a live run."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gridcore.errors import BadInputError
from pipeline.stream_settings import StreamSettings
from pipeline.web_settings import HttpSettings, MetricsSettings

ROWS = ("ours", "persistence", "no_storage", "perfect_foresight")
"""Rows that a replay can run side by side; the first is what a live run does."""

HOLIDAYS = "^([A-Z]{2}|none|)$"
"""A country's two letters, `none`, or nothing."""

WARM_UP = "warm_up"
"""Name of the unscored day's exports."""


class ReplaySettings(BaseSettings):
    """One replay; every field can be set by flag or by environment (XIAONA_SEED ...)."""

    model_config = SettingsConfigDict(env_prefix="XIAONA_", extra="forbid")

    grid: str | None = None
    """Name or directory of a grid; this or `recording`."""

    recording: Path | None = None
    """Directory of a recording."""

    start: date
    """First scored day, in the grid's own zone."""

    days: int = Field(default=2, ge=1, le=366)
    """Scored days."""

    seed: int = 0
    """Seed of model fits and of the solver."""

    rows: tuple[str, ...] = ROWS
    """Rows to run."""

    scale: str = ""
    """What-if factors, e.g. `battery=10,vre=2`."""

    holidays: str = Field(default="", pattern=HOLIDAYS)
    """Country of load's holidays (ISO 3166-1 alpha-2), or `none`; empty for the country that the grid names."""

    portfolios: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Named portfolios: forecast target names of each."""

    processes: int = Field(default=0, ge=0)
    """Rows run side by side at most; 0 for one a core."""


class StoreSettings(BaseModel):
    """`[store]` of a live run's TOML."""

    model_config = ConfigDict(extra="forbid")

    url: SecretStr
    """postgresql://... or a directory; an address may hold a password, and is never shown."""


class LiveSettings(BaseSettings):
    """A live run, read from TOML; the environment (XIAONA_...) wins over the file."""

    model_config = SettingsConfigDict(env_prefix="XIAONA_", env_nested_delimiter="__", extra="forbid")

    grid: str | None = None
    """Name or directory of a grid; this or `recording`."""

    recording: Path | None = None
    """Directory of the recording whose telemetry comes in."""

    start: date
    """First controlled day, in the grid's own zone."""

    days: int = Field(default=1, ge=1, le=366)
    """Days to control."""

    seed: int = 0
    """Seed of model fits and of the solver."""

    plant: Literal["simulated", "none"] = "simulated"
    """Who answers the setpoints: a simulated plant, or nobody here: real telemetry comes in and setpoints go out."""

    clock: Literal["accelerated", "virtual", "system"] = "accelerated"
    """How time passes: recorded time, faster than real, or at once; `system` for a run without a simulated plant."""

    stream: StreamSettings | None = None
    """Kafka that the telemetry comes from; without it the recording's own files are played."""

    http: HttpSettings | None = None
    """Where readings are pushed to, besides `stream`; only without a simulated plant."""

    metrics: MetricsSettings | None = None
    """Where health and metrics are told; only without a simulated plant."""

    store: StoreSettings | None = None
    """Where the store is; a directory of its own within `work` where it is not named."""

    speed: float = Field(default=3600.0, gt=0)
    """Virtual seconds for each real second on an accelerated clock."""

    deadline_s: float | None = Field(default=None, gt=0)
    """Wall-time limit of a solve; a late one leaves the last safe plan in force, and then no replay decides the same
    [s]."""

    work: Path = Path("live")
    """Directory of the store and the plant's log; the same one resumes."""

    export: Path | None = None
    """Where to export decisions and realised flows at the end."""

    scale: str = ""
    """What-if factors."""

    holidays: str = Field(default="", pattern=HOLIDAYS)
    """Country of load's holidays (ISO 3166-1 alpha-2), or `none`; empty for the country that the grid names."""

    portfolios: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Named portfolios."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """A real plant has its own time and its own telemetry, and a simulated one that of its recording."""
        if self.plant == "none" and (self.stream is None or self.clock != "system" or self.scale):
            raise ValueError("plant = 'none' wants [stream], clock = 'system' and no scale")
        if self.plant == "simulated" and (self.clock == "system" or self.http or self.metrics):
            raise ValueError("clock = 'system', [http] and [metrics] want plant = 'none'")
        if self.stream is not None and self.scale:
            raise ValueError("a stream comes as it is: scale wants a run without [stream]")
        return self

    @property
    def store_at(self) -> str:
        """Address or directory of the store; empty for one within `work`."""
        return self.store.url.get_secret_value() if self.store is not None else ""

    def as_replay(self) -> ReplaySettings:
        """The replay that decides the same: the row `ours` alone."""
        names = ("grid", "recording", "start", "days", "seed", "scale", "holidays", "portfolios")
        same = {name: getattr(self, name) for name in names}
        return ReplaySettings(**same, rows=("ours",))


def read_live_settings(path: Path) -> LiveSettings:
    """The settings of a live run; raises `BadInputError` naming the file, the key, what came and what was wanted."""
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as cause:
        raise BadInputError("no such settings file", file=path, wanted="a TOML file") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise BadInputError("settings that are not TOML", file=path, got=str(cause), wanted="TOML") from cause
    try:
        return LiveSettings(**words)
    except ValidationError as cause:
        raise bad_settings(cause, path) from cause


def bad_settings(cause: ValidationError, file: Path | None = None) -> BadInputError:
    """The first complaint of a validation as an error of ours."""
    first = cause.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    # What came for a stream or a store may hold a password.
    got = None if {"stream", "store"} & set(first["loc"]) or not first["loc"] else repr(first.get("input"))
    return BadInputError(f"setting {where}", file=file, got=got, wanted=first["msg"])
