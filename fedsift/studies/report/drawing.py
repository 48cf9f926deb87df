"""How a figure is drawn: matplotlib's settings, colours, and SVG that a page can take in.

A figure is drawn twice, wide and narrow, since letters of a wide one are too small on a phone. In the page's SVG the
colours are CSS variables, so that light, dark and print each have their own.
"""

import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from fedsift.core.extras import check_extra

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure as Canvas

# Okabe and Ito's colours for the colour-blind, the light ones darker: 3:1 on white. style.css has those for the dark.
COLOURS = {
    "ink": "#1a1a1a",
    "muted": "#5c6166",
    "grid": "#d4d7da",
    "paper": "#ffffff",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#00875f",
    "purple": "#a8528a",
    "orange": "#a86f00",
    "sky": "#2a86b8",
}
# Series in order: colour, line, marker.
SERIES = (
    ("blue", "-", "o"),
    ("vermillion", "--", "s"),
    ("green", "-.", "^"),
    ("purple", ":", "D"),
    ("orange", (0, (5, 1, 1, 1, 1, 1)), "v"),
    ("sky", (0, (1, 2)), "P"),
    ("ink", (0, (8, 2)), "X"),
)
_WIDTHS = {False: 7.2, True: 3.4}  # inches, of wide and narrow
_PIXELS_PER_INCH = 200
# Of all figures: those of reports and those of experiments.
_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.titlelocation": "left",
    **dict.fromkeys(("axes.spines.top", "axes.spines.right"), False),
    **dict.fromkeys(("axes.grid", "axes.axisbelow"), True),
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), COLOURS["ink"]),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), COLOURS["muted"]),
    "grid.color": COLOURS["grid"],
}
_SIZES: dict[str, Any] = {
    "svg.fonttype": "none",  # letters stay letters
    **dict.fromkeys(("font.size", "axes.titlesize", "legend.fontsize"), 9),
    **dict.fromkeys(("axes.facecolor", "figure.facecolor"), COLOURS["paper"]),
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Figure:
    """A figure before it is drawn."""

    name: str  # of its files
    title: str  # for people
    alt: str  # what it shows in words, with its numbers
    height: Callable[[bool], float]  # inches, from whether it is narrow
    draw: Callable[["Canvas", bool], None]  # fills a canvas, from whether it is narrow


@dataclass(frozen=True)
class Drawn:
    """A figure's files, and its two forms for the page."""

    svg: str
    png: bytes
    page_wide: str
    page_narrow: str


def check_matplotlib() -> None:
    """See that figures can be drawn, before minutes are spent on what they show.

    Raises:
        BadInput: matplotlib is not installed.
    """
    check_extra("a figure", "matplotlib", "plots")


def drawn(figure: Figure) -> Drawn:
    """Draw a figure; the same figure gives the same bytes.

    Raises:
        BadInput: matplotlib is not installed.
    """

    def form(narrow: bool) -> tuple[str, bytes]:
        size, dots = (_WIDTHS[narrow], figure.height(narrow)), 0 if narrow else _PIXELS_PER_INCH
        return rendered(figure.name, lambda canvas: figure.draw(canvas, narrow), size, _SIZES, dots)

    (wide, png), (narrow, _) = form(narrow=False), form(narrow=True)
    return Drawn(_file_form(wide, figure), png, _page_form(wide, figure, "wide"), _page_form(narrow, figure, "narrow"))


def legend(canvas: "Canvas", handles: Sequence["Artist"], labels: Sequence[str], narrow: bool) -> None:
    """A legend above the axes, in a column each for short labels where there is room."""
    longest = max(map(len, labels))
    columns = 1 if narrow else max(1, min(len(labels), 88 // (longest + 8)))
    canvas.legend(
        handles,
        [legend_label(label, narrow) for label in labels],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        borderaxespad=0.2,
        handlelength=2.6,
    )


def legend_label(label: str, narrow: bool) -> str:
    """A label in lines that the figure's width can hold."""
    return textwrap.fill(label, 42 if narrow else 92, break_long_words=True)


def tick_label(label: str, narrow: bool) -> str:
    """A name beside an axis, in lines that leave the axes room."""
    return textwrap.fill(label, 15 if narrow else 30)


def rendered(
    name: str,
    draw: Callable[["Canvas"], None],
    size: tuple[float, float],
    settings: Mapping[str, Any],
    pixels_per_inch: int,
) -> tuple[str, bytes]:
    """A drawing as SVG and as PNG, the latter empty for 0 pixels; the same drawing gives the same bytes.

    Args:
        name: of the figure.
        draw: fills a canvas; it may set another size.
        size: of the canvas, in inches.
        settings: of matplotlib, beside those of all figures.
        pixels_per_inch: of the PNG.

    Raises:
        BadInput: matplotlib is not installed.
    """
    check_matplotlib()
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    with mpl.rc_context():
        mpl.rcdefaults()  # Whatever the user's own settings are.
        parameters: Any = mpl.rcParams  # Typed by a list of names that changes from version to version.
        parameters.update({**_STYLE, **settings, "svg.hashsalt": name})
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas)
        svg, png = io.StringIO(), io.BytesIO()
        # Without the date, and without matplotlib's version.
        canvas.savefig(svg, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        if pixels_per_inch:
            canvas.savefig(png, format="png", dpi=pixels_per_inch, metadata={"Software": None})
    return svg.getvalue(), png.getvalue()


def _file_form(svg: str, figure: Figure) -> str:
    """The SVG with its title and description, in the light colours."""
    root = ElementTree.fromstring(svg)
    _describe(root, figure, f"{figure.name}-title", f"{figure.name}-text")
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    text = ElementTree.tostring(root, encoding="unicode")
    return text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif") + "\n"


def _page_form(svg: str, figure: Figure, form: str) -> str:
    """The SVG as an element of a page: names of its own, colours as variables, nothing that styles the page."""
    root = ElementTree.fromstring(svg)
    prefix = f"{figure.name}-{form}-"
    used = set(re.findall(r"#([\w.-]+)", " ".join(value for each in root.iter() for value in each.attrib.values())))
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{_SVG}}}style":  # Its rule would hold for the whole page; style.css has it for figures.
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id" and value not in used:
                continue
            element.set(key.removeprefix(f"{{{_XLINK}}}"), _page_value(key, value, prefix))
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    _describe(root, figure, f"{prefix}title", f"{prefix}text", namespace="")
    root.set("class", form)
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _page_value(key: str, value: str, prefix: str) -> str:
    if key == "id":
        return prefix + value
    if key.endswith("href"):
        return f"#{prefix}{value.removeprefix('#')}"
    for name, colour in COLOURS.items():
        value = value.replace(colour, f"var(--{name})")
    return value.replace("url(#", f"url(#{prefix}").replace("'DejaVu Sans'", "var(--letters)")


def _describe(
    root: ElementTree.Element, figure: Figure, title_id: str, text_id: str, namespace: str = f"{{{_SVG}}}"
) -> None:
    root.set("role", "img")
    root.set("aria-labelledby", f"{title_id} {text_id}")
    for place, (tag, name, text) in enumerate((("title", title_id, figure.title), ("desc", text_id, figure.alt))):
        element = ElementTree.Element(f"{namespace}{tag}", {"id": name})
        element.text = text
        root.insert(place, element)


def marks_every(points: int, narrow: bool) -> int:
    """Of how many points one has a marker, so that markers stay apart."""
    return math.ceil(points / (15 if narrow else 30))
