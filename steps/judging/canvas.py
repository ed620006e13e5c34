"""A place to draw on, and the SVG that leaves it.

matplotlib draws with placeholder colours. Embedded in a page they become the custom properties of `look.css`, so that
dark mode and print are right; in a file of its own they become the same file's light colours.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from steps.judging import pages

NAMES = ("ink", "paper", "muted", "line", "accent", "warning", *(f"series-{at}" for at in range(1, 9)))
COLOUR = {name: f"#{0xA1B2C0 + at:06x}" for at, name in enumerate(NAMES)}
"""Placeholder of each custom property; colours that nothing else has."""

WIDTH, HEIGHT = 440, 400  # px; at this size text of 11 px is right on a phone and in two columns
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 48
TITLE_COLUMNS, CAPTION_COLUMNS = 46, 70  # characters a line above and below a plot of its own
SETTINGS = {
    "svg.fonttype": "none",  # text stays text
    "text.parse_math": False,  # a `$` in a column's name is a dollar
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib; only measures, the page's font is shown
    "font.size": 11.0,
    "figure.dpi": 72.0,
    "path.simplify": True,
}
KEY_LINE = 0.056  # height of a line of the key, as a share of the axes
KEY_RIGHTS, KEY_LOWS = (
    (0.98, 0.9, 0.8, 0.65, 0.5),
    (0.04, 0.15, 0.3, 0.45, 0.6, 0.75, 0.85),
)  # places for it, best first
Dash = str | tuple[int, tuple[float, ...]]
LOCK = threading.Lock()  # matplotlib's settings and Python's warning filters belong to the whole process
SHORTENED = re.compile(r'\b(d|x|y|transform|points)="([^"]*)"')
LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")


@dataclass(frozen=True)
class Plot:
    """A finding, drawn.

    Attributes:
        name: of the file, without ending; also what the report calls it.
        title: the finding, one sentence without a full stop.
        caption: what it is and how to read it.
        header: column heads of the same figures as a table.
        rows: its cells as text.
        inner: the SVG's content with placeholder colours.
        size: width and height in px.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    inner: str
    size: tuple[int, int]

    def embedded(self) -> str:
        """The SVG for a page that holds `look.css`."""
        width, height = self.size
        body = _coloured(self.inner, {name: f"var(--{name})" for name in NAMES}, "var(--sans)")
        label = html.escape(self.title, quote=True)
        return f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">{body}</svg>'

    def standalone(self) -> str:
        """The SVG as a file, with title and caption, in light colours."""
        width, height = self.size
        title = textwrap.wrap(self.title, TITLE_COLUMNS * width // WIDTH) or [""]
        caption = textwrap.wrap(self.caption, CAPTION_COLUMNS * width // WIDTH)
        top, bottom = 16 + 20 * len(title), 12 + 16 * len(caption)
        colours = light_colours()
        text = [_line(line, 16, 22 + 20 * at, 14, colours["ink"], "bold") for at, line in enumerate(title)]
        text += [
            _line(line, 16, top + height + 12 + 16 * at, 11, colours["muted"], "normal")
            for at, line in enumerate(caption)
        ]
        body = _coloured(self.inner, colours, "system-ui, sans-serif")
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + height + bottom}" '
            f'viewBox="0 0 {width} {top + height + bottom}" role="img">'
            f"<title>{html.escape(self.title)}</title>"
            f"<style>*{{stroke-linejoin:round;stroke-linecap:butt}}</style>"
            f'<rect width="100%" height="100%" fill="{colours["paper"]}"/>{"".join(text)}'
            f'<g transform="translate(0 {top})">{body}</g></svg>\n'
        )


def light_colours() -> dict[str, str]:
    """The custom properties' values in light mode, read from `look.css`, where colours are written."""
    first = pages.LOOK.read_text(encoding="utf-8").split("}", 1)[0]
    return {name: value for name, value in re.findall(r"--([\w-]+):\s*(#[0-9a-fA-F]{6})\s*;", first) if name in NAMES}


def draw(name: str, paint: Callable[[Drawing], None], width: int = WIDTH, height: int = HEIGHT) -> str:
    """The SVG content that `paint` leaves on an empty drawing of the given size in px.

    The same input gives the same bytes: no date, and ids that depend on the name only.
    """
    with LOCK, mpl.rc_context({**SETTINGS, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # measured without, shown with
        warnings.filterwarnings("ignore", message=".*Matplotlib currently does not support", category=UserWarning)
        drawing = Drawing(figsize=(width / 72, height / 72), dpi=72)
        paint(drawing)
        out = io.StringIO()
        nothing: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(drawing).print_svg(out, metadata=nothing)
    return _inner(out.getvalue())


def axes(drawing: Drawing, left: float = LEFT, right: float = RIGHT, top: float = TOP, bottom: float = BOTTOM) -> Axes:
    """Axes with the given margins in px, in the look of all plots."""
    width, height = drawing.get_size_inches() * 72
    box = (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
    found: Axes = drawing.add_axes(box)
    drawing.patch.set_alpha(0)
    found.patch.set_alpha(0)
    for side in ("top", "right"):
        found.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        found.spines[side].set_color(COLOUR["line"])
    found.tick_params(length=3, width=1, color=COLOUR["line"], labelcolor=COLOUR["muted"], labelsize=11)
    found.grid(color=COLOUR["line"], linewidth=0.6, alpha=0.6)
    found.set_axisbelow(True)
    return found


def label(found: Axes, x: str, y: str) -> None:
    """Name the axes."""
    found.set_xlabel(x, color=COLOUR["muted"], fontsize=11, labelpad=6)
    found.set_ylabel(y, color=COLOUR["muted"], fontsize=11, labelpad=6)


def unit_square(found: Axes, x: str, y: str) -> None:
    """Both axes from 0 to 1, in equal scale."""
    found.set(xlim=(0, 1), ylim=(0, 1))
    found.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    found.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    for line in [*found.spines.values()]:
        line.set_clip_on(False)
    label(found, x, y)


def key(found: Axes, lines: Sequence[tuple[str, str, Dash]]) -> None:
    """Names beside a piece of their lines, the first on top, where they hide least of what is drawn already.

    Args:
        found: axes.
        lines: name, custom property of the colour, dash pattern.
    """
    width = 0.09 + max(len(name) for name, _, _ in lines) * 0.0195  # shares of the axes; about 7 px a letter
    right, low = _free_place(found, width, KEY_LINE * len(lines))
    for at, (name, colour, dash) in enumerate(reversed(lines)):
        height = low + at * KEY_LINE
        ink = COLOUR["ink" if colour.startswith("series") else colour]  # not every line's colour can be read as text
        found.text(
            right - 0.09, height, name, transform=found.transAxes, ha="right", va="bottom", color=ink, fontsize=11
        )
        ends, middle = [right - 0.07, right], [height + 0.024] * 2
        line = {"color": COLOUR[colour], "linestyle": dash, "linewidth": 1.8, "clip_on": False}
        found.plot(ends, middle, transform=found.transAxes, **line)


def _free_place(found: Axes, width: float, height: float) -> tuple[float, float]:
    """Right and lower end of the box that the fewest points of the drawn lines fall into, lower right preferred."""
    to_axes = found.transAxes.inverted()
    drawn = [_dense(to_axes.transform(line.get_transform().transform(line.get_xydata()))) for line in found.get_lines()]
    points = np.concatenate(drawn) if drawn else np.empty((0, 2))
    best, fewest = (KEY_RIGHTS[0], KEY_LOWS[0]), np.inf
    for low in KEY_LOWS:
        for right in (*KEY_RIGHTS, width + 0.04):
            top = low + height
            x, y = points[:, 0], points[:, 1]
            inside = (x > right - width - 0.03) & (x < right + 0.02) & (y > low - 0.02) & (y < top + 0.02)
            if top <= 1 and inside.sum() < fewest:
                best, fewest = (right, low), int(inside.sum())
    return best


def _dense(line: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Points (n, 2) evenly along a line, close enough that none of it slips through a box."""
    line = line[np.isfinite(line).all(axis=1)]
    if len(line) < 2:  # noqa: PLR2004 (two points make a line)
        return line
    along = np.append(0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T)))
    at = np.linspace(0, along[-1], 400)
    return np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])])


def _inner(svg: str) -> str:
    """The drawing without what belongs to a file, with short numbers and only the ids that are referred to."""
    body = svg[svg.index("<svg") :]
    body = body[body.index(">") + 1 : body.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body).replace("xlink:href=", "href=")
    body = SHORTENED.sub(lambda m: f'{m[1]}="{LONG_NUMBER.sub(lambda n: f"{float(n[0]):.2f}", m[2])}"', body)
    return re.sub(r"\s*\n\s*", "\n", body).strip()


def _coloured(inner: str, colours: dict[str, str], font: str) -> str:
    """Placeholders replaced."""
    for name, placeholder in COLOUR.items():
        inner = inner.replace(placeholder, colours[name])
    return inner.replace("'DejaVu Sans'", font)


def _line(text: str, x: int, y: int, size: int, colour: str, weight: str) -> str:
    """One line of text."""
    style = f"font: {weight} {size}px system-ui, sans-serif; fill: {colour}"
    return f'<text x="{x}" y="{y}" style="{style}">{html.escape(text)}</text>'
