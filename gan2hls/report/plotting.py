"""Plots as SVG and PNG whose bytes depend on nothing but what is drawn, and the same SVG to stand inside a page."""

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.transforms import Bbox

INK, QUIET, LINE, PAPER = "#1c2227", "#5b666f", "#dde1e4", "#ffffff"
ACCENT, SOFT, LIMIT, BAD = "#2f6690", "#b9cfdf", "#d9762b", "#b3261e"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#a37500", "#7a4fa3", "#3d4449")
"""Okabe and Ito's colours, told apart by colour-blind eyes too; yellow, which white hides, is replaced."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 1.5, 1, 1.5)), (0, (9, 3)), (0, (3, 1, 1, 1, 1, 1)))

_NAMED = {INK: "ink", QUIET: "quiet", LINE: "line", PAPER: "paper", ACCENT: "accent", SOFT: "soft"}
_NAMED |= {LIMIT: "limit", BAD: "bad", **{colour: f"s{index}" for index, colour in enumerate(SERIES)}}

WIDTH = 4.7
"""Inches: on a phone's 375 pixels a point of text is about a pixel."""

_SETTINGS: Any = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so that all machines draw the same
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.parse_math": False,  # dollar signs in names are no mathematics
    "svg.fonttype": "path",  # a viewer without the font would put its text elsewhere
}


@dataclass(frozen=True)
class Plot:
    """A plot.

    Attributes:
        name: of its files, without ending.
        title: its heading.
        alt: what it shows, in a sentence or two, for who can not see it.
        svg, png: contents of its files.
    """

    name: str
    title: str
    alt: str
    svg: bytes
    png: bytes

    @property
    def inline(self) -> str:
        """The SVG as an element of an HTML page, in the page's colours; ids begin with the plot's name."""
        text = self.svg.decode()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
        head, body = text.split(">", 1)
        head = re.sub(r' (?:xmlns(?::\w+)?|width|height|version)="[^"]*"', "", head)
        body = re.sub(r'(?<=\sid=")', f"{self.name}-", body)
        body = re.sub(r'xlink:href="#', f'href="#{self.name}-', body)
        body = re.sub(r"url\(#", f"url(#{self.name}-", body)
        for colour, name in _NAMED.items():
            body = body.replace(colour, f"var(--{name})")
        return f'{head} role="img" aria-label="{_attribute(self.alt)}">{body}'


def _attribute(text: str) -> str:
    for character, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, name)
    return text


@contextmanager
def settings() -> Iterator[None]:
    """Figures made and written inside have the same fonts, colours and ids, whatever a user has set for matplotlib."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_SETTINGS, "svg.hashsalt": "gan2hls"})
        yield


def axes(title: str, *, height: float = 3.1, entries: int = 0) -> tuple[Any, Any]:
    """A figure of the page's width with one panel, and room below it for a legend's entries in two columns."""
    figure = Figure(figsize=(WIDTH, height + 0.19 * math.ceil(entries / 2)), layout="constrained")
    FigureCanvasAgg(figure)
    panel = figure.add_subplot()
    panel.set_title(title)
    return figure, panel


def finish(figure: Any, name: str, title: str, alt: str) -> Plot:
    """A figure as files."""
    svg, png = io.BytesIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=160, metadata={"Software": None})
    return Plot(name, title, alt, _REPEATED.sub(rb'class="\1"', svg.getvalue()), png.getvalue())


_REPEATED = re.compile(rb'\bid="(dot|pale|ring|cross|label|bar)"')
"""Names of marks: there are many of each, and an id may stand once."""


def shorten(text: str, most: int) -> str:
    """Text on one line; what is too long ends in …."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def place_labels(
    figure: Any,
    panel: Any,
    wanted: Sequence[tuple[float, float, str, str]],
    marks: Sequence[tuple[float, float]],
    paths: Sequence[Sequence[tuple[float, float]]] = (),
) -> int:
    """Write labels beside their points so that none covers a mark, a path or another label; leave out what has no room.

    Args:
        wanted: (x, y, text, colour) in data coordinates, the most important first.
        marks: (x, y) of everything that must stay visible.
        paths: corners of lines that must.

    Returns:
        How many were left out.
    """
    figure.canvas.draw()  # only now the layout is known
    renderer, scale = figure.canvas.get_renderer(), figure.dpi / 72
    inside = panel.get_window_extent(renderer)
    taken = [_box(panel, mark, 4 * scale) for mark in marks]
    lines = [Path(panel.transData.transform(corners)) for corners in paths if len(corners) > 1]
    left_out = 0
    for x, y, text, colour in wanted:
        label = panel.annotate(text, (x, y), (0, 0), textcoords="offset points", fontsize=8, color=colour)
        label.set(in_layout=False, gid="label")
        for dx, dy, horizontal, vertical in _OFFSETS:
            label.set(position=(dx, dy), ha=horizontal, va=vertical)
            box = label.get_window_extent(renderer)
            hidden = any(box.overlaps(other) for other in taken) or any(
                line.intersects_bbox(box, filled=False) for line in lines
            )
            if not hidden and inside.contains(*box.min) and inside.contains(*box.max):
                taken.append(box)
                break
        else:
            label.remove()
            left_out += 1
    return left_out


def _box(panel: Any, mark: tuple[float, float], radius: float) -> Bbox:
    x, y = panel.transData.transform(mark)
    return Bbox.from_extents(x - radius, y - radius, x + radius, y + radius)


_OFFSETS = [
    (dx * far, dy * far, {1: "left", 0: "center", -1: "right"}[dx], {1: "bottom", 0: "center", -1: "top"}[dy])
    for far in (5, 9, 14)
    for dx, dy in ((-1, 1), (1, -1), (0, 1), (0, -1), (1, 1), (-1, -1), (1, 0), (-1, 0))
]
