"""Avro is read where it is asked for, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from ingest.avro_wire import encode_avro
from ingest.catalogue import EXAMPLE, open_grid
from ingest.channels import channels_of
from ingest.kafka_partition import topics_in
from ingest.kafka_run import Run
from ingest.wire_parts import AVRO
from pipeline.stream_settings import StreamSettings
from pipeline.streams import readers_of


@pytest.mark.parametrize("takes_avro", [True, False])
def test_an_avro_container_is_taken_where_the_settings_say_so(takes_avro):
    source = open_grid(EXAMPLE)
    channels = channels_of(source.network, source.reading_period)
    readings = source.readings(source.first, source.first + 2 * source.reading_period)
    message = encode_avro(readings)
    settings = StreamSettings(bootstrap_servers="nowhere:9092", takes_avro=takes_avro)
    topics = topics_in("x", channels, honours_recorded_arrival=False, readers=readers_of(settings))
    came = np.array([0], np.int64)
    table, found = topics["x.telemetry.v1"].decode(Run([message], [AVRO], came, came, len(message)), "x/0")
    reasons = [letter.reason for letter in found.undecodable]
    assert (len(table), reasons) == ((len(readings), []) if takes_avro else (0, ["unknown_content_type"]))
