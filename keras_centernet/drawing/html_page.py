"""Parts of a self-contained HTML page: no network, no script."""

import base64
import html
from collections.abc import Iterable, Sequence

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1120px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; } th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.charts img { max-width: 100%; background: #fff; margin: .5rem 1rem .5rem 0; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .8rem; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); }
figure { margin: 0; } figure img { width: 100%; display: block; border-radius: 4px; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; } .why { color: #c2410c; }
.of { font-size: .8rem; opacity: .75; margin: -.4rem 0 .8rem; }
code { background: #8882; padding: .1rem .3rem; border-radius: 3px; }
"""


def page_of(title: str, parts: Iterable[str]) -> str:
    """Returns the page whose body is made of parts in HTML."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>'
    page = f"{head}<style>{STYLE}</style>" + "\n".join(parts) + "</html>\n"
    return page.encode(errors="backslashreplace").decode()  # names of files need not be UTF-8


def heading_of(title: str) -> str:
    """Returns the heading of a section."""
    return f"<h2>{html.escape(title)}</h2>"


def table_of(rows: Sequence[tuple]) -> str:
    """Returns a table; the first row is its heading."""
    tagged = [("th", rows[0]), *(("td", row) for row in rows[1:])]
    cells = ["".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row) for tag, row in tagged]
    return '<div class="wide"><table>' + "".join(f"<tr>{row}</tr>" for row in cells) + "</table></div>"


def charts_of(charts: Iterable[bytes]) -> str:
    """Returns PNG files side by side."""
    return '<div class="charts">' + "".join(f'<img src="{_uri(chart, "png")}">' for chart in charts) + "</div>"


def photos_of(photos: Iterable[bytes]) -> str:
    """Returns JPEG files below each other."""
    return '<div class="charts">' + "".join(f'<img src="{_uri(photo, "jpeg")}">' for photo in photos) + "</div>"


def figure_of(name: str, jpeg: bytes | None, why: str = "") -> str:
    """Returns an image, if there is one, with its name and a reason to look at it."""
    name = html.escape(name)
    reason = f'<div class="why">{html.escape(why)}</div>' if why else ""
    image = f'<img src="{_uri(jpeg, "jpeg")}" alt="{name}">' if jpeg is not None else ""
    return f"<figure>{image}<figcaption>{name}{reason}</figcaption></figure>"


def grid_of(figures: Iterable[str], kind: str = "") -> str:
    """Returns figures in columns; the kind "pairs" has wide columns."""
    return f'<div class="images {kind}">'.replace(' "', '"') + "".join(figures) + "</div>"


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
