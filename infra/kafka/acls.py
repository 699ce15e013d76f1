"""What a user of a secured cluster may do; without an ACL, nothing."""

from __future__ import annotations

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from infra.kafka.cluster import Cluster, wait_until

PREFIX = "xiaona"
"""What Xiaona's topics, groups and transactions are named by."""

RIGHTS = {
    ResourceType.TOPIC: (AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE),
    ResourceType.GROUP: (AclOperation.READ, AclOperation.DESCRIBE),
    ResourceType.TRANSACTIONAL_ID: (AclOperation.WRITE, AclOperation.DESCRIBE),
}
"""What one who reads and writes a stream needs."""

Rights = dict[ResourceType, tuple[AclOperation, ...]]


def allow(cluster: Cluster, user: str, prefix: str = PREFIX, rights: Rights | None = None) -> None:
    """Let a user do things to whatever is named by a prefix.

    Args:
        cluster: A secured cluster.
        user: A SCRAM user.
        prefix: Of the names of topics, groups and transactions.
        rights: Operations by the kind of thing; `RIGHTS` where not given.
    """
    bindings = [
        AclBinding(kind, prefix, ResourcePatternType.PREFIXED, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for kind, operations in (RIGHTS if rights is None else rights).items()
        for operation in operations
    ]
    admin = AdminClient(cluster.client())  # held: its answers end with it
    for done in admin.create_acls(bindings).values():
        done.result(30)
    mine = AclBindingFilter(
        ResourceType.ANY,
        prefix,
        ResourcePatternType.PREFIXED,
        f"User:{user}",
        "*",
        AclOperation.ANY,
        AclPermissionType.ALLOW,
    )
    # The controller has answered; a broker learns of it a moment later, and refuses until then.
    wait_until(lambda: set(bindings) <= set(admin.describe_acls(mine).result(30)), f"{user} may use {prefix}*")
