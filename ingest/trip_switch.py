"""The trip switch: single bad messages never stop the stream; when most of it is bad, something else is wrong.

A grid of another name, a schema that changed, a gateway gone mad: then a loud stop keeps the dead letters readable, and
what has not been read waits in the broker.
"""

from __future__ import annotations

from gridcore.errors import StreamTrippedError
from gridcore.ports import Counts

FEWEST = 1_000
"""What arrived is judged in stretches of at least so many readings: a few bad ones at the start mean nothing."""


class TripSwitch:
    """Opens when the dead letters among what arrives pass a share.

    Args:
        share: Largest share of dead letters, in (0, 1]; 1 never trips.
    """

    def __init__(self, share: float) -> None:
        self._share, self._stretch = share, Counts()

    def note(self, counts: Counts) -> None:
        """Look at a batch's counts, once it is kept.

        Raises:
            StreamTrippedError: The share was passed over the last stretch.
        """
        self._stretch.add(counts)
        if self._stretch.received < FEWEST:
            return
        letters = sum(self._stretch.dead_letters.values())
        if letters > self._share * self._stretch.received:
            got = f"{letters} of {self._stretch.received}: {self._stretch.dead_letters}"
            wanted = f"at most {self._share:.0%}; what came is kept as dead letters, the same command goes on"
            raise StreamTrippedError("too much of the stream can't be used", got=got, wanted=wanted)
        self._stretch = Counts()
