"""A secret never goes over an open line, and never into words."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridcore.errors import BadInputError
from pipeline.settings import read_live_settings
from pipeline.stream_settings import StreamSettings, stream_at


@pytest.mark.parametrize(
    "words",
    [
        {"user": "me", "password": "sesame"},
        {"user": "me", "password": "sesame", "security": "tls"},
        {"user": "me", "security": "sasl_tls"},
        {"password": "sesame", "security": "sasl_tls"},
        {"ca_file": "ca.pem"},
    ],
)
def test_half_a_security_is_refused(words):
    with pytest.raises(ValidationError):
        StreamSettings(bootstrap_servers="broker:9092", **words)


def test_the_client_is_told_the_password_and_nobody_else_is(tmp_path):
    settings = StreamSettings(bootstrap_servers="b:1", security="sasl_tls", user="me", password="sesame")
    assert "sesame" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    client = settings.client()
    assert (client["sasl.password"], client["security.protocol"]) == ("sesame", "SASL_SSL")
    (tmp_path / "word").write_text("sesame\n")
    of_file = settings.model_copy(update={"password": None, "password_file": tmp_path / "word"})
    assert of_file.client() == client


def test_a_wrong_setting_is_named_without_what_came(tmp_path):
    file = tmp_path / "live.toml"
    file.write_text('start = 2025-01-01\n[stream]\nbootstrap_servers = "b:1"\nuser = "me"\npassword = "sesame"\n')
    for read in (lambda: read_live_settings(file), lambda: stream_at("kafka://b:1", file)):
        with pytest.raises(BadInputError, match="sasl_tls") as caught:
            read()
        assert "sesame" not in str(caught.value)


def test_the_environment_holds_what_no_file_should(tmp_path, monkeypatch):
    file = tmp_path / "stream.toml"
    file.write_text('[stream]\nsecurity = "sasl_tls"\nuser = "me"\n')
    monkeypatch.setenv("XIAONA_STREAM__PASSWORD", "sesame")
    assert stream_at("kafka://b:1,c:2", file).client()["sasl.password"] == "sesame"
    assert stream_at("kafka://b:1,c:2", file).bootstrap_servers == "b:1,c:2"


@pytest.mark.parametrize("url", ["kafka://", "http://b:1", "b:1"])
def test_an_address_of_no_broker_is_refused(url):
    with pytest.raises(BadInputError, match="kafka://HOST:PORT"):
        stream_at(url, None)


@pytest.mark.parametrize(
    "words",
    ['plant = "none"', 'clock = "system"', 'scale = "battery=2"\n[stream]\nbootstrap_servers = "b:1"'],
)
def test_a_plant_its_clock_and_its_stream_must_fit(words, tmp_path):
    file = tmp_path / "live.toml"
    file.write_text(f"start = 2025-01-01\n{words}\n")
    with pytest.raises(BadInputError, match="want"):
        read_live_settings(file)
