"""Replay: history in, one unscored day to warm the plant up, then the rows side by side, then export and report."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.compute as pc

from gridcore.errors import BadInputError
from gridcore.network import Network
from gridcore.ports import Counts, GridSource
from gridcore.timeline import PERIOD, PLANT_PERIOD, TIMESTAMP, day_start, to_numpy
from ingest.catalogue import open_grid
from ingest.grid_directory import export_grid_tables
from ingest.recording import read_recording
from ingest.table_source import NOTICE
from pipeline.exogenous import LOOK_BACK_DAYS
from pipeline.export import write_manifest, write_table
from pipeline.latency import as_it_arrives
from pipeline.phase import Phase, PhaseResult, Recorded, run_phase, tick_count
from pipeline.provenance import code_sha256, versions
from pipeline.row_export import RowFigures
from pipeline.rows import prepare, row_phase, run_rows
from pipeline.scale import parse_scale, scaled
from pipeline.settings import ROWS, WARM_UP, ReplaySettings
from pipeline.validate import OUTAGES, RESERVES, validate_export
from pipeline.validate_told import reserve_series

LOOK_BACK = timedelta(days=1)
"""Truth before the plant's first period, which bridges a gap at its start."""

LOOK_AHEAD = timedelta(days=3)
"""Truth beyond the end that the oracle may speak of: as far as a day-ahead forecast reaches."""

SUMMARY = "summary.json"
"""The summary beside the export's own files; it holds wall times, so it stays out of the manifest."""

SCHEMA_VERSION = 1
"""Version of the summary's keys."""


@runtime_checkable
class WithActual(Protocol):
    """A source that knows what really was beside what was delivered: a dirty recording."""

    def actual(self, start: datetime, end: datetime) -> pa.Table | None:
        """Clean readings of [start, end); None where the delivered ones are clean."""
        ...


@dataclass
class Progress:
    """How a replay tells what it does: a stage, its size, and each step."""

    stage: Callable[[str, int], None] = lambda name, total: None
    step: Callable[[str], None] = lambda name: None


def open_source(grid: str | None, recording: Path | None, scale: str = "") -> GridSource:
    """The grid or recording that a command names, with its what-if factors; one of both must be named."""
    if (grid is None) == (recording is None):
        got = "both" if grid is not None else "neither"
        raise BadInputError("what to run on", got=got, wanted="either --grid or --recording")
    source = open_grid(grid) if grid is not None else read_recording(Path(str(recording)))
    return scaled(source, parse_scale(scale))


def replay(settings: ReplaySettings, work: Path, progress: Progress | None = None) -> tuple[dict[str, Any], Path]:
    """Run or resume a replay.

    Args:
        settings: What to replay.
        work: Directory for unfinished replays; one that was interrupted resumes there, a finished one is removed.
        progress: Told about each stage and tick.

    Returns:
        The summary of `xiaona replay --json`, and the export's directory within `work`.

    Raises:
        BadInputError: Unknown grid, row or day, or data that don't cover the days.
    """
    began, progress = perf_counter(), progress or Progress()
    _check_rows(settings.rows)
    progress.stage("read", 0)
    source = open_source(settings.grid, settings.recording, settings.scale)
    start, end = replay_window(source, settings)
    data_sha256 = source.data_sha256()
    directory = work / replay_key(settings, data_sha256)
    base, history = warm_up_phase(source, settings, start, directory)
    progress.stage(WARM_UP, tick_count(base))
    stages = {"read": perf_counter() - began}
    warm = run_phase(base, history, on_tick=lambda tick: progress.step(WARM_UP))
    stages["warm_up"] = perf_counter() - began - stages["read"]
    del history
    out = directory / "out"
    shutil.rmtree(out, ignore_errors=True)
    phases = [row_phase(_scored(base, start, end), row, directory / "rows") for row in settings.rows]
    for phase in phases:
        prepare(base.directory, phase)
        progress.stage(phase.row, tick_count(phase))
    at_a_time = settings.processes or min(len(phases), os.cpu_count() or 1)
    results = run_rows(phases, out, at_a_time, progress.step)
    stages["rows"] = perf_counter() - began - sum(stages.values())
    progress.stage("check", 0)
    export_grid_as_used(source, base.network, (start, end), out / "grid")
    summary = summary_of(settings, base.network, (start, end), data_sha256, warm, results)
    write_manifest(out, manifest_of(summary))
    add_violations(summary, out, settings.processes)
    stages["check"] = perf_counter() - began - sum(stages.values())
    summary |= {"wall_seconds": perf_counter() - began, "stage_seconds": stages_of(stages, warm, results)}
    return summary, out


def export_grid_as_used(
    source: GridSource, network: Network, window: tuple[datetime, datetime], directory: Path
) -> None:
    """Write the network as the loop had it, and what its plans were told besides forecasts and hydro.

    These are outages and official reserve requirements, as far as plans look ahead, and requirements as far back as a
    missing one is taken from. The words that must travel with the data go along.
    """
    export_grid_tables(network, directory)
    start, end = window[0], window[1] + LOOK_AHEAD
    write_table(source.outages(start, end), directory / OUTAGES)
    official = source.official(start - (LOOK_BACK_DAYS + 1) * LOOK_BACK, end)
    write_table(reserve_series(official), directory / RESERVES)
    if notice := source.notice:
        (directory / NOTICE).write_text(notice, encoding="utf-8")


def replay_window(source: GridSource, settings: ReplaySettings) -> tuple[datetime, datetime]:
    """First and last instant of the scored days; raises `BadInputError` where the data don't cover them."""
    zone = source.network.zone
    start = day_start(settings.start, zone)
    end = day_start(settings.start + timedelta(days=settings.days), zone)
    first = source.first + timedelta(days=1)
    if start < first or end > source.last:
        covered = f"{first.astimezone(zone):%Y-%m-%d %H:%M} to {source.last.astimezone(zone):%Y-%m-%d %H:%M}"
        wanted = f"days within {covered} {source.network.zone_name} (a day of history, then the warm-up)"
        asked = f"{settings.days} days from {settings.start}"
        raise BadInputError("days without data", instant=settings.start.isoformat(), got=asked, wanted=wanted)
    return start, end


def warm_up_phase(
    source: GridSource, settings: ReplaySettings, start: datetime, directory: Path
) -> tuple[Phase, Recorded]:
    """The unscored day before `start`, and the history before it."""
    origin = max(start - timedelta(days=1), source.first)
    last = min(source.last, start + timedelta(days=settings.days) + LOOK_AHEAD)
    whole = Recorded(
        source.readings(source.first, last), source.official(source.first, last), source.outages(source.first, last)
    )
    history, world = split_at(whole, origin - PERIOD)
    actual = source.actual(origin - LOOK_BACK, last) if isinstance(source, WithActual) else None
    truth = source.readings(origin - LOOK_BACK, last) if actual is None else actual
    phase = Phase(
        row=WARM_UP,
        network=as_it_arrives(source.network, truth, origin - PERIOD, source.reading_period),
        world=world,
        truth=truth,
        outages=whole.outages,
        origin=origin,
        start=origin,
        end=start,
        directory=directory / "base",
        seed=settings.seed,
        is_last=False,
        portfolios=settings.portfolios,
        holidays=settings.holidays,
        reading_period=source.reading_period,
    )
    return phase, history


def split_at(recorded: Recorded, instant: datetime) -> tuple[Recorded, Recorded]:
    """What was available up to `instant`, and what came later."""
    limit = pa.scalar(to_numpy(instant)).cast(TIMESTAMP)
    tables = (recorded.readings, recorded.official, recorded.outages)
    early = [pc.less_equal(table.column("available_at"), limit) for table in tables]
    before = [table.filter(mask) for table, mask in zip(tables, early, strict=True)]
    after = [table.filter(pc.invert(mask)) for table, mask in zip(tables, early, strict=True)]
    return Recorded(*before), Recorded(*after)


def replay_key(settings: ReplaySettings, data_sha256: str) -> str:
    """Name of a replay's directory: equal only for equal data, code and arguments."""
    arguments = settings.model_dump_json(exclude={"processes"})
    return hashlib.sha256(f"{data_sha256} {code_sha256()} {arguments}".encode()).hexdigest()[:16]


def _check_rows(rows: tuple[str, ...]) -> None:
    unknown = [row for row in rows if row not in ROWS]
    if unknown or not rows or len(set(rows)) != len(rows):
        raise BadInputError("--rows", got=", ".join(rows) or "nothing", wanted=f"some of {', '.join(ROWS)}, once each")


def _scored(base: Phase, start: datetime, end: datetime) -> Phase:
    return Phase(**{**vars(base), "start": start, "end": end, "is_last": True})


def summary_of(
    settings: ReplaySettings,
    network: Network,
    window: tuple[datetime, datetime],
    data_sha256: str,
    warm: PhaseResult,
    results: list[tuple[PhaseResult, RowFigures]],
) -> dict[str, Any]:
    """The summary of `xiaona replay --json`, without violations and wall times.

    Args:
        settings: What was run.
        network: The grid as the loop had it.
        window: First and last instant of the scored days.
        data_sha256: Hash of the data.
        warm: The warm-up.
        results: Each row's.
    """
    parts = [warm, *(result for result, _ in results)]
    taken = _taken_in(warm, results[0][0])
    return {
        "schema_version": SCHEMA_VERSION,
        "status": "ok",
        "grid": network.name,
        "time_zone": network.zone_name,
        "currency": network.currency,
        "start": window[0].isoformat(),
        "end": window[1].isoformat(),
        "period_minutes": PERIOD // timedelta(minutes=1),
        "plant_period_minutes": PLANT_PERIOD // timedelta(minutes=1),
        "data_sha256": data_sha256,
        "decisions_sha256": results[0][1].row["decisions_sha256"],
        "cpu_seconds": sum(part.cpu_seconds for part in parts),
        "peak_rss_mb": max(part.peak_rss_mb for part in parts),
        "rows": [figures.row for _, figures in results],
        "models": next((figures.models for _, figures in results if figures.models), []),
        "provenance": {
            "versions": versions(),
            "seeds": {"seed": settings.seed},
            "arguments": settings.model_dump(mode="json"),
            "code_sha256": code_sha256(),
            "source": network.source,
            "telemetry_latency_s": network.telemetry_latency_s,
            "latency_is_declared": network.latency_is_declared,
            "resumed": [part.row for part in parts if part.resumed],
            "cache_hits": [],
        },
        "ingest": taken,
        "warnings": _letter_warnings(taken["dead_letters"]),
    }


def _taken_in(warm: PhaseResult, first: PhaseResult) -> dict[str, Any]:
    """What arrived over the warm-up and the first row, which takes in what every row does."""
    counts = Counts(warm.received, dead_letters=dict(warm.dead_letters), flags=dict(warm.flags))
    counts.add(Counts(first.received, dead_letters=first.dead_letters, flags=first.flags))
    return {"received": counts.received, "dead_letters": counts.dead_letters, "flags": counts.flags}


def _letter_warnings(letters: dict[str, int]) -> list[str]:
    """What could not be placed or used, in words; nothing where all could."""
    if not letters:
        return []
    named = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in sorted(letters.items()))
    return [f"{sum(letters.values())} arrivals could not be used and are kept as dead letters: {named}"]


def manifest_of(summary: dict[str, Any]) -> dict[str, object]:
    """Facts of the manifest besides the files' hashes."""
    named = ("schema_version", "grid", "time_zone", "start", "end", "data_sha256", "decisions_sha256")
    facts: dict[str, object] = {name: summary[name] for name in named}
    provenance = summary["provenance"]
    facts |= {
        "seeds": provenance["seeds"],
        "versions": provenance["versions"],
        "code_sha256": provenance["code_sha256"],
    }
    facts["rows_sha256"] = {row["name"]: row["decisions_sha256"] for row in summary["rows"]}
    return facts


def write_summary(summary: dict[str, Any], out: Path) -> None:
    """Write the summary into an export: what `xiaona report` reads."""
    (out / SUMMARY).write_text(json.dumps(summary, indent=2, allow_nan=False, default=str), encoding="utf-8")


def add_violations(summary: dict[str, Any], out: Path, processes: int = 0) -> None:
    """Check the export as anyone outside would, and put the counts into the rows; `processes` as in the settings."""
    findings = validate_export(out, processes=processes or os.cpu_count() or 1)
    for row in summary["rows"]:
        row["violations"] = findings.violations_of(row["name"])
        row["max_bus_imbalance_mw"] = findings.max_bus_imbalance_mw[row["name"]]
    if findings.total:
        summary["status"] = "violated"
        summary["warnings"].append(f"{findings.total} violations; the first: {findings.first}")


def stages_of(
    wall: dict[str, float], warm: PhaseResult, results: list[tuple[PhaseResult, RowFigures]]
) -> dict[str, float]:
    """Wall seconds of the replay's stages, and within them of the loop's."""
    stages = dict(wall)
    for part in (warm, *(result for result, _ in results)):
        stages |= {f"{part.row}/{name}": seconds for name, seconds in part.stage_seconds.items()}
    return stages
