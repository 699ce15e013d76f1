"""A live run: the replay's loop, row `ours`, on the clock that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

from gridcore.clock import AcceleratedClock, Clock, VirtualClock
from gridcore.errors import LimitViolatedError
from gridcore.timeline import PERIOD
from pipeline import console
from pipeline.export import write_manifest
from pipeline.phase import run_phase, store_path, tick_count
from pipeline.relay_command import relaying
from pipeline.replay import (
    SUMMARY,
    add_violations,
    export_grid_as_used,
    manifest_of,
    open_source,
    replay_key,
    replay_window,
    stages_of,
    summary_of,
    warm_up_phase,
    write_summary,
)
from pipeline.row_export import export_row
from pipeline.rows import prepare, row_phase
from pipeline.settings import WARM_UP, LiveSettings


def run_live(settings: LiveSettings) -> dict[str, object]:
    """Run the loop over the days of the settings, print what was decided, and export it if asked.

    The store and the plant's log stay in the work directory; the same settings go on there after any stop. History and
    the unscored day before the start pass on a virtual clock.

    Returns:
        The facts of the manifest: start, end, hashes.

    Raises:
        LimitViolatedError: The export's own check found a violation; everything is written and printed by then.
    """
    began, same = perf_counter(), settings.as_replay()
    source = open_source(same.grid, same.recording, same.scale)
    start, end = replay_window(source, same)
    data_sha256 = source.data_sha256()
    directory = settings.work / replay_key(same, data_sha256)
    base, history = warm_up_phase(source, same, start, directory)
    base = replace(base, stream=settings.stream, store=settings.store_at)
    store_at = settings.store_at or str(store_path(base.directory))
    with console.bars() as bars, relaying(store_at, settings.stream):
        bars.stage(WARM_UP, tick_count(base))
        warm = run_phase(base, history, on_tick=lambda tick: bars.step(WARM_UP))
        phase = replace(base, start=start, end=end, is_last=True, deadline_s=settings.deadline_s)
        phase = row_phase(phase, same.rows[0], directory / "rows")
        if settings.stream is None and settings.store is None:
            prepare(base.directory, phase)
        else:
            # One store knows the stream's offsets, and one on a server can't be copied: the run goes on in it.
            phase = replace(phase, directory=base.directory)
        bars.stage(phase.row, tick_count(phase))
        clock: Clock = VirtualClock(start - PERIOD)
        if settings.clock == "accelerated":
            clock = AcceleratedClock(start - PERIOD, settings.speed)
        result = run_phase(phase, on_tick=lambda tick: bars.step(phase.row), clock=clock)
        bars.stage("export", 0)
        out = settings.export or directory / "out"
        figures = export_row(phase, out)
    export_grid_as_used(source, base.network, (start, end), out / "grid")
    results = [(result, figures)]
    summary = summary_of(same, base.network, (start, end), data_sha256, warm, results)
    facts = manifest_of(summary)
    # One of an earlier run with the same export is no part of this one's manifest.
    (out / SUMMARY).unlink(missing_ok=True)
    write_manifest(out, facts)
    add_violations(summary, out, same.processes)
    wall = {"run": perf_counter() - began}
    write_summary(summary | {"wall_seconds": wall["run"], "stage_seconds": stages_of(wall, warm, results)}, out)
    told = {"status": summary["status"], "received": result.received, "dead_letters": result.dead_letters}
    console.print_json({**facts, **told, "out": str(out)})
    demand_good(summary, out)
    return facts


def demand_good(summary: Mapping[str, Any], out: Path) -> None:
    """Raise `LimitViolatedError` where the export's own check found a violation."""
    if summary["status"] == "violated":
        raise LimitViolatedError("the run broke a limit or a balance", file=out, got=summary["warnings"][-1])
