"""What `infra` says to Docker, Prometheus and Grafana is what the code calls it; none of the three runs here."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from gridcore.topics import INCOMING, OUTGOING
from pipeline.settings import LiveSettings


@pytest.fixture
def infra(project_root):
    return project_root / "infra"


@pytest.fixture
def compose(infra):
    return yaml.safe_load((infra / "compose.yaml").read_text(encoding="utf-8"))


def test_the_dashboard_asks_for_metrics_that_there_are(infra, project_root):
    dashboard = json.loads((infra / "compose/grafana/dashboards/xiaona.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expression in asked for name in re.findall(r"xiaona_[a-z_]+", expression)}
    page = (project_root / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `(xiaona_[a-z_]+)", page, flags=re.MULTILINE))
    assert len(asked) >= len(dashboard["panels"]) > 8
    assert {name.removesuffix("_bucket") for name in names} <= told


def test_compose_makes_every_topic(compose):
    made = re.search(r"for name in ([a-z_ ]+);", compose["services"]["topics"]["command"][0])
    assert made is not None
    assert {f"xiaona.{name}.v1" for name in made[1].split()} == {*INCOMING, *OUTGOING}


def test_the_run_of_compose_has_settings_that_fit_together(infra, compose):
    words = tomllib.loads((infra / "compose/live.toml").read_text(encoding="utf-8"))
    settings = LiveSettings(**words)
    service = compose["services"]["xiaona"]
    assert settings.stream is not None
    assert settings.stream.bootstrap_servers.split(":")[0] in compose["services"]
    assert settings.http is not None
    port = settings.http.listen.rsplit(":", 1)[-1]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    scraped = yaml.safe_load((infra / "compose/prometheus.yaml").read_text(encoding="utf-8"))
    targets = scraped["scrape_configs"][0]["static_configs"][0]["targets"]
    assert targets == [f"xiaona:{port}"]
    assert "./compose/live.toml:/etc/xiaona/live.toml:ro" in service["volumes"]


def test_files_that_compose_mounts_are_there_or_named_as_to_be_made(infra, compose):
    told = (infra / "README.md").read_text(encoding="utf-8")
    mounted = [volume.split(":")[0] for s in compose["services"].values() for volume in s.get("volumes", [])]
    files = [name for name in mounted if name.startswith("./")]
    files += [secret["file"] for secret in compose["secrets"].values()]
    for name in files:
        path = (infra / name).resolve()
        assert path.exists() or f"`infra/{path.relative_to(infra)}`" in told, name
