"""Topics: the names under which the stream comes in and goes out (docs/asyncapi.yaml)."""

from __future__ import annotations

TELEMETRY = "xiaona.telemetry.v1"
"""Readings; key = site."""

OFFICIAL = "xiaona.official.v1"
"""Forecasts given to us; key = asset."""

OUTAGE = "xiaona.outage.v1"
"""Assets and branches out of service; key = asset."""

FORECAST = "xiaona.forecast.v1"
"""Forecast vintages; key = target."""

PLAN = "xiaona.plan.v1"
"""Plans; key = asset."""

SETPOINT = "xiaona.setpoint.v1"
"""Setpoints; key = asset."""

DEAD_LETTER = "xiaona.dead_letter.v1"
"""What could not be decoded or placed; key = source."""

INCOMING = (TELEMETRY, OFFICIAL, OUTAGE)
"""Topics that Xiaona reads."""

OUTGOING = (FORECAST, PLAN, SETPOINT, DEAD_LETTER)
"""Topics that Xiaona writes."""
