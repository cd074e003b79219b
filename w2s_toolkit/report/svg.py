"""A matplotlib figure as SVG that belongs to the page: its font, its colours, its two themes."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from w2s_toolkit.report.wording import printable

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

    from w2s_toolkit.report.canvas import Plot

INK, MUTED, GRID, PAPER = "#1b1b1b", "#5f5f5f", "#d9d9d9", "#fdfdfd"

COLOURS = {
    "weak_floor": "#d55e00",
    "supervisor": "#cc79a7",
    "student": "#0072b2",
    "strong_ceiling": "#009e73",
}
"""The palette of Okabe and Ito, which people with colour blindness can tell apart."""

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    **{colour: f"var(--{role.replace('_', '-')})" for role, colour in COLOURS.items()},
}

_SETTINGS: dict[Any, Any] = {
    "svg.hashsalt": "w2s",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    # A "$" in a name is a dollar sign.
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.solid_capstyle": "butt",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Our settings, whatever the user's matplotlibrc says; figures are made and saved inside."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A glyph that the measuring font lacks is no matter: the page's font draws it.
        warnings.simplefilter("ignore")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """The ``<svg>`` element of a figure.

    Args:
        name: unlike that of any other SVG in the page; ids begin with it.
        label: what the picture says, for those who do not see it.
    """
    from markupsafe import Markup, escape

    out = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(out, format="svg", transparent=True, metadata=nothing)
    text = out.getvalue()
    box = re.search(r'viewBox="([\d. -]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    # A comment, the metadata and a style sheet that would hold for the page as a whole.
    body = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", body, flags=re.S)
    body = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{name}-", body)
    body = body.replace("xlink:href=", "href=")
    body = re.sub(r"font-family: [^;\"]*", "font-family: inherit", body)
    body = re.sub(r"font: ([\w ]*?)(\d[\d.]*px) [^;\"]*", r"font-size: \2", body)
    body = re.sub(r"(?<=: )#[0-9a-f]{6}\b", lambda m: _VARIABLES.get(m.group(), m.group()), body)
    body = re.sub(r"\s*\n\s*", "\n", body)
    size = f' viewBox="{box.group(1)}"' if box else ""
    # Matplotlib escapes the text that it writes.
    return Markup(
        f'<svg class="plot" role="img" aria-label="{escape(printable(label))}"{size} '
        f'stroke-linejoin="round" font-family="inherit">{body.strip()}</svg>'
    )


def standalone(plot: Plot) -> str:
    """A picture as a file of its own: with heading, legend and light colours, for papers and slides."""
    from markupsafe import escape

    text = str(plot.svg)
    for colour, variable in _VARIABLES.items():
        text = text.replace(variable, colour)
    text = text.replace("inherit", "DejaVu Sans, Verdana, sans-serif")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
    width, height = (float(box.group(1)), float(box.group(2))) if box else (320.0, 240.0)
    foot = 22 if plot.roles else 0
    legend, x = [], 8.0
    for role in plot.roles:
        name, colour = role.replace("_", " "), COLOURS.get(role, MUTED)
        legend.append(
            f'<rect x="{x:g}" y="{height + 32:g}" width="9" height="9" fill="{colour}"/>'
            f'<text x="{x + 13:g}" y="{height + 40:g}">{escape(name)}</text>'
        )
        x += 24 + 6 * len(name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + 24 + foot:g}" '
        f'width="{width:g}pt" height="{height + 24 + foot:g}pt" fill="{INK}" font-size="9.5" '
        'font-family="DejaVu Sans, Verdana, sans-serif">'
        f"<title>{escape(printable(plot.heading))}</title>"
        f"<desc>{escape(printable(plot.caption))}</desc>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="8" y="16" font-size="11" font-weight="bold">{escape(printable(plot.heading))}</text>'
        f'<svg y="24" width="{width:g}" height="{height:g}"{text[len("<svg") :]}'
        f"{''.join(legend)}</svg>\n"
    )
