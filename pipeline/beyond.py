"""Forecasts beyond the next hours: of each period the newest day-ahead vintage's word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gridcore.forecast import INTRADAY, Vintage, vintage_from_table
from gridcore.ports import Known
from gridcore.timeline import Instants, to_numpy

KEPT = timedelta(hours=50)
"""Age at which a day-ahead vintage has nothing to say of the next day that no newer one says."""


@dataclass
class Beyond:
    """The day-ahead vintages that still matter, joined: later ones win from their first period on."""

    vintage: Vintage | None = None

    @classmethod
    def known(cls, known: Known, since: datetime) -> Beyond:
        """Those in the store issued from `since` on, after a restart."""
        table = known.forecasts(max(since, known.instant - KEPT))
        lead = pc.subtract(table.column("valid_time"), table.column("issue_time"))
        table = table.filter(pc.greater(lead, pa.scalar(INTRADAY, pa.duration("us"))))
        beyond = cls()
        for instant in sorted(pc.unique(table.column("issue_time")).to_pylist()):
            issued = pc.equal(table.column("issue_time"), pa.scalar(to_numpy(instant)).cast(table.schema.field(0).type))
            beyond.add(vintage_from_table(table.filter(issued)))
        return beyond

    def add(self, vintage: Vintage) -> None:
        """Take up a newer vintage; periods before its issue time go."""
        old = self.vintage
        if old is None or not len(vintage.valid_time):
            self.vintage = vintage if len(vintage.valid_time) else old
            return
        kept = (old.valid_time < vintage.valid_time[0]) & (old.valid_time > to_numpy(vintage.issue_time))
        rows = [old.target_index[target] for target in vintage.targets]
        self.vintage = replace(
            vintage,
            valid_time=np.concatenate([old.valid_time[kept], vintage.valid_time]),
            power_mw=np.concatenate([old.power_mw[rows][:, kept], vintage.power_mw], axis=1),
        )

    def over(self, valid_time: Instants) -> Vintage | None:
        """What is forecast for these periods; None where some of them are beyond all vintages."""
        if self.vintage is None:
            return None
        found = np.isin(self.vintage.valid_time, valid_time)
        if int(found.sum()) < len(valid_time):
            return None
        return replace(
            self.vintage, valid_time=self.vintage.valid_time[found], power_mw=self.vintage.power_mw[:, found]
        )
