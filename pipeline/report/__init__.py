"""The replay's report: one HTML page and one table on the terminal, from the export and the summary alone."""

from __future__ import annotations

from pipeline.report.page import write_report
from pipeline.report.terminal import terminal_table

__all__ = ["terminal_table", "write_report"]
