"""The programs of `infra` as a person runs them: lines in, lines out, a signal at the end."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
from typing import Self

PATIENCE_S = 300.0
"""How long a program may take over one line: longer than the servers' own limits, which say more [s]."""


class Program:
    """`python -m MODULE WORDS` in a process of its own; a context that leaves nothing running."""

    def __init__(self, module: str, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def tell(self, line: str) -> None:
        """Say a line to it, and wait until it says that this is done."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        self.wait_for(f"{line}: done")

    def wait_for(self, wanted: str) -> list[str]:
        """What it says until a line, that one not."""
        said: list[str] = []
        while (line := self._lines.get(timeout=PATIENCE_S)) != wanted:
            assert line, f"the program ended: {said}"
            said.append(line)
        return said

    def end(self, what: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        if self._process.poll() is None:
            self._process.send_signal(what)
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        return code

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")
