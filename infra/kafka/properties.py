"""server.properties of a broker that is its own controller (KRaft), on loopback."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BROKER = "User:CN=broker"
"""Who brokers and controllers are to each other, by their certificate."""

ADMIN = "admin"
"""The user who may do everything on a secured cluster."""


@dataclass(frozen=True)
class Ports:
    """Ports of one broker."""

    client: int
    """For clients."""

    internal: int
    """Between the brokers of a secured cluster."""

    controller: int
    """Between the controllers."""


def properties(number: int, ports: tuple[Ports, ...], data: Path, keys: Path | None) -> dict[str, str]:
    """Settings of broker `number` (from 1) of a cluster.

    Args:
        number: Which broker.
        ports: Ports of every broker.
        data: Folder of its logs.
        keys: Folder of `make_keys` for a secured cluster; None for a plain one.
    """
    mine, size = ports[number - 1], len(ports)
    voters = ",".join(f"{n}@127.0.0.1:{p.controller}" for n, p in enumerate(ports, start=1))
    words = {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(size),
        "min.insync.replicas": str(min(2, size)),
        "offsets.topic.replication.factor": str(size),
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": str(size),
        "transaction.state.log.min.isr": str(min(2, size)),
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        # A member that was killed is missed soon, so that a test of it need not wait long.
        "group.consumer.session.timeout.ms": "6000",
        "group.consumer.heartbeat.interval.ms": "1000",
        "group.consumer.min.session.timeout.ms": "3000",
        "group.consumer.min.heartbeat.interval.ms": "500",
        "group.min.session.timeout.ms": "3000",
        "log.retention.check.interval.ms": "1000",
        "log.initial.task.delay.ms": "1000",
        "broker.session.timeout.ms": "6000",
        "message.max.bytes": "16777216",
        "replica.fetch.max.bytes": "16777216",
    }
    return words | (_plain(mine) if keys is None else _secured(mine, keys))


def _plain(mine: Ports) -> dict[str, str]:
    return {
        "listeners": f"CLIENT://127.0.0.1:{mine.client},CONTROLLER://127.0.0.1:{mine.controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{mine.client}",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }


def _secured(mine: Ports, keys: Path) -> dict[str, str]:
    """TLS everywhere; clients by SCRAM, brokers by their certificates; nothing is allowed that no ACL allows."""
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
    words = {
        "listeners": f"CLIENT://127.0.0.1:{mine.client},INTERNAL://127.0.0.1:{mine.internal},"
        f"CONTROLLER://127.0.0.1:{mine.controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{mine.client},INTERNAL://127.0.0.1:{mine.internal}",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "CLIENT:SASL_SSL,INTERNAL:SSL,CONTROLLER:SSL",
        "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": scram,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keys / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(keys / "ca.pem"),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"{BROKER};User:{ADMIN}",
    }
    return words | {f"listener.name.{name}.ssl.client.auth": "required" for name in ("internal", "controller")}
