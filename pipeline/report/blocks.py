"""What a page is made of: sections of notes, tables, figures and tabs. The template knows these and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Note:
    """One paragraph of plain words."""

    text: str
    """The words; escaped by the template."""

    tone: str = ""
    """`quiet` for an explanation, `warn` for what a reader must not miss, `lead` for the first sentence."""

    kind: str = "note"
    """Which template macro draws it."""


@dataclass(frozen=True)
class Table:
    """A table; a cell is text, made ready by `wording`."""

    head: Sequence[str]
    """Column titles; the first column is text, all others are numbers unless `text_columns` says so."""

    rows: Sequence[Sequence[str]]
    """Cells."""

    caption: str = ""
    """What the table shows, with its unit."""

    text_columns: frozenset[int] = frozenset({0})
    """Columns set to the left."""

    strong: frozenset[int] = frozenset()
    """Rows set in bold."""

    kind: str = "table"
    """Which template macro draws it."""


@dataclass(frozen=True)
class Figure:
    """A drawing with its caption."""

    svg: str
    """Inline SVG, safe by construction: `draw.to_svg` made it."""

    caption: str
    """What it shows, with its unit."""

    key: str
    """Unique name on the page."""

    readout: str = ""
    """JSON for the line that follows the pointer; empty where there is none."""

    kind: str = "figure"
    """Which template macro draws it."""


@dataclass(frozen=True)
class Tile:
    """A headline number."""

    label: str
    """What it is."""

    chinese: str
    """Its Chinese term."""

    value: str
    """The number."""

    unit: str
    """Its unit, set small."""

    beside: str
    """What it is to be seen against."""

    tone: str = ""
    """`good`, `bad` or nothing."""


@dataclass(frozen=True)
class Tiles:
    """A row of headline numbers."""

    tiles: Sequence[Tile]
    """In the order shown."""

    kind: str = "tiles"
    """Which template macro draws it."""


@dataclass(frozen=True)
class Tab:
    """One page of a tab strip."""

    label: str
    """Name on the strip."""

    blocks: Sequence[Note | Table | Figure]
    """What it holds."""


@dataclass(frozen=True)
class Tabs:
    """The same content for several rows of the replay, one at a time."""

    key: str
    """Unique name on the page."""

    tabs: Sequence[Tab]
    """The first is open."""

    kind: str = "tabs"
    """Which template macro draws it."""


Block = Note | Table | Figure | Tiles | Tabs


@dataclass(frozen=True)
class Section:
    """A titled part of the page; every section is on every page, if only to say what is missing."""

    key: str
    """Anchor."""

    title: str
    """Title."""

    chinese: str
    """The field's Chinese term."""

    blocks: Sequence[Block] = field(default=())
    """Content."""
