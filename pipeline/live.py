"""A live run: the replay's loop, row `ours`, on the clock that the settings name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gridcore.clock import AcceleratedClock, Clock, VirtualClock
from gridcore.timeline import PERIOD
from pipeline import console
from pipeline.export import write_manifest
from pipeline.phase import run_phase, tick_count
from pipeline.provenance import code_sha256, versions
from pipeline.replay import export_grid_as_used, open_source, replay_key, replay_window, warm_up_phase
from pipeline.row_export import export_row
from pipeline.rows import prepare, row_phase
from pipeline.settings import WARM_UP, LiveSettings


def run_live(settings: LiveSettings) -> dict[str, Any]:
    """Run the loop over the days of the settings, print what was decided, and export it if asked.

    The store and the plant's log stay in the work directory; the same settings go on there after any stop. History and
    the unscored day before the start pass on a virtual clock.

    Returns:
        The facts printed: start, end, hashes, received readings.
    """
    same = settings.as_replay()
    source = open_source(same.grid, same.recording, same.scale)
    start, end = replay_window(source, same)
    data_sha256 = source.data_sha256()
    directory = settings.work / replay_key(same, data_sha256)
    base, history = warm_up_phase(source, same, start, directory)
    with console.bars() as bars:
        bars.stage(WARM_UP, tick_count(base))
        run_phase(base, history, on_tick=lambda tick: bars.step(WARM_UP))
        phase = row_phase(
            replace(base, start=start, end=end, is_last=True, deadline_s=settings.deadline_s),
            same.rows[0],
            directory / "rows",
        )
        prepare(base.directory, phase)
        bars.stage(phase.row, tick_count(phase))
        clock: Clock = VirtualClock(start - PERIOD)
        if settings.clock == "accelerated":
            clock = AcceleratedClock(start - PERIOD, settings.speed)
        result = run_phase(phase, on_tick=lambda tick: bars.step(phase.row), clock=clock)
        bars.stage("export", 0)
        out = settings.export or directory / "out"
        figures = export_row(phase, out)
    facts: dict[str, Any] = {
        "grid": source.network.name,
        "time_zone": source.network.zone_name,
        "start": start.isoformat(),
        "end": end.isoformat(),
        "data_sha256": data_sha256,
        "decisions_sha256": figures.row["decisions_sha256"],
        "seeds": {"seed": settings.seed},
        "versions": versions(),
        "code_sha256": code_sha256(),
    }
    export_grid_as_used(source, base.network, (start, end), out / "grid")
    write_manifest(Path(out), facts)
    console.print_json({**facts, "received": result.received, "dead_letters": result.dead_letters, "out": str(out)})
    return facts
