"""Xiaona's topics, in and out (INTERFACES.md); `docs/asyncapi.yaml` tells what is in them."""

TOPICS = (
    "xiaona.telemetry.v1",
    "xiaona.official.v1",
    "xiaona.outage.v1",
    "xiaona.forecast.v1",
    "xiaona.plan.v1",
    "xiaona.setpoint.v1",
    "xiaona.dead_letter.v1",
)
