"""`[stream]` of a live run's TOML: where Kafka is, as whom we come, and how much may wait."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gridcore.errors import BadInputError
from pipeline.web_settings import MetricsSettings

PROTOCOLS = {"plaintext": "PLAINTEXT", "tls": "SSL", "sasl_tls": "SASL_SSL"}
"""Kafka's names of the kinds of security."""


class StreamSettings(BaseModel):
    """A Kafka cluster and our place in it; the environment (XIAONA_STREAM__...) holds what no file should."""

    model_config = ConfigDict(extra="forbid")

    bootstrap_servers: str = Field(min_length=1)
    """HOST:PORT of some brokers, by commas."""

    prefix: str = "xiaona"
    """First part of the topics' names."""

    group: str = ""
    """Consumer group to share the partitions with; empty to read all of them, see `ingest.kafka_feed`."""

    group_protocol: Literal["consumer", "classic"] = "consumer"
    """KIP-848, or the protocol of brokers before Kafka 4.0, which is fallen back to as well."""

    grace_s: float = Field(default=30.0, gt=0)
    """How long a partition that is not read to its end holds a tick back [s]."""

    max_buffered_mb: int = Field(default=64, ge=1)
    """Messages that wait in this process at most, beside the client's own 64 MB [MB]."""

    largest_dead_share: float = Field(default=0.5, gt=0, le=1)
    """Share of dead letters beyond which the stream is stopped; 1 for never."""

    takes_avro: bool = False
    """Avro containers of readings are taken too; wants the extra `avro`."""

    accepts_loss: bool = False
    """Messages that the broker deleted before they were read are let go, with a dead letter that tells which; else they
    stop the run."""

    publishes: bool = True
    """A live run sends its forecasts, plans, setpoints and dead letters; false where `xiaona relay` does."""

    security: Literal["plaintext", "tls", "sasl_tls"] = "plaintext"
    """How the brokers are reached; what they refuse is never tried in another way."""

    ca_file: Path | None = None
    """Certificates (PEM) of the authorities we trust; the system's where there is none."""

    certificate_file: Path | None = None
    """Our own certificate (PEM), for brokers that ask for one."""

    key_file: Path | None = None
    """Its private key (PEM)."""

    key_password: SecretStr | None = None
    """Password of the private key."""

    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How the password is proved."""

    user: str = ""
    """Name of the user."""

    password: SecretStr | None = None
    """The user's password; this or `password_file`."""

    password_file: Path | None = None
    """File that holds the password and nothing else."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A secret never goes over an open line, and a user never without one."""
        has_secret = self.password is not None or self.password_file is not None
        if self.security != "sasl_tls" and (has_secret or self.user):
            raise ValueError(f"a user and a password want security = 'sasl_tls', not {self.security!r}")
        if self.security == "sasl_tls" and not (self.user and has_secret):
            raise ValueError("security = 'sasl_tls' wants user, and password or password_file")
        if self.security == "plaintext" and (self.ca_file or self.certificate_file or self.key_file):
            raise ValueError("certificates want security = 'tls' or 'sasl_tls'")
        return self

    def client(self) -> dict[str, str | int | bool]:
        """The same in librdkafka's names, secrets in the clear: for the client alone, never to be shown.

        Raises:
            BadInputError: A file that is named can't be read.
        """
        words: dict[str, str | int | bool] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": PROTOCOLS[self.security],
            "client.id": "xiaona",
            # Errors come to us; beside them librdkafka would write lines of its own on standard error.
            "log_level": 0,
        }
        files = {
            "ssl.ca.location": self.ca_file,
            "ssl.certificate.location": self.certificate_file,
            "ssl.key.location": self.key_file,
        }
        for name, file in files.items():
            if file is not None:
                if not file.is_file():
                    raise BadInputError("no such file", file=file, wanted=f"PEM, for {name}")
                words[name] = str(file)
        if self.key_password is not None:
            words["ssl.key.password"] = self.key_password.get_secret_value()
        if self.security == "sasl_tls":
            told = {"sasl.mechanism": self.mechanism, "sasl.username": self.user, "sasl.password": self._secret()}
            words.update(told)
        return words

    def _secret(self) -> str:
        if self.password is not None:
            return self.password.get_secret_value()
        try:
            return Path(str(self.password_file)).read_text(encoding="utf-8").strip()
        except OSError as cause:
            raise BadInputError("an unreadable file", file=self.password_file, got=cause.strerror) from cause


class _Parts(BaseSettings):
    """The parts `[stream]` and `[metrics]` of a file that may hold more."""

    model_config = SettingsConfigDict(env_prefix="XIAONA_", env_nested_delimiter="__", extra="ignore")

    stream: StreamSettings
    metrics: MetricsSettings | None = None


def stream_at(url: str, config: Path | None) -> StreamSettings:
    """The settings of `kafka://HOST:PORT[,HOST:PORT]`, with the rest of `[stream]` of a file, if any, and environment.

    Raises:
        BadInputError: The address or a setting is wrong.
    """
    return ingest_settings(url, config)[0]


def ingest_settings(url: str, config: Path | None) -> tuple[StreamSettings, MetricsSettings | None]:
    """The same, and `[metrics]`.

    Raises:
        BadInputError: The address or a setting is wrong.
    """
    brokers = url.removeprefix("kafka://").strip("/")
    words: dict[str, Any] = {}
    if config is not None:
        try:
            words = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
            raise BadInputError("settings that can't be read", file=config, got=cause, wanted="TOML") from cause
    if not url.startswith("kafka://") or not brokers:
        raise BadInputError("an address of no broker", got=url, wanted="kafka://HOST:PORT")
    told = {"metrics": words["metrics"]} if "metrics" in words else {}
    try:
        parts = _Parts(stream={**dict(words.get("stream", {})), "bootstrap_servers": brokers}, **told)
    except ValidationError as cause:
        raise wrong_stream(cause, config) from cause
    return parts.stream, parts.metrics


def wrong_stream(cause: ValidationError, file: Path | None) -> BadInputError:
    """The first complaint, without what came: it may be a secret."""
    first = cause.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return BadInputError(f"setting {where}", file=file, wanted=first["msg"])
