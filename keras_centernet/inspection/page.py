"""One HTML page about a data set, with everything in it: no network, no script."""

import base64
import html
from collections.abc import Sequence

import cv2
import numpy as np

from keras_centernet.drawing.boxes import draw_boxes
from keras_centernet.inspection.charts import draw_box_sizes, draw_class_counts
from keras_centernet.inspection.facts import SplitFacts

_SUSPICIOUS, _USUAL, _PAIRS = 24, 24, 12  # images on the page
_THUMBNAIL = 320  # pixels of the longer side
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1120px; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #8884; } th { font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
.charts img { max-width: 100%; background: #fff; margin: .5rem 1rem .5rem 0; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); gap: .8rem; }
figure { margin: 0; } figure img { width: 100%; display: block; border-radius: 4px; }
figcaption { font-size: .8rem; overflow-wrap: anywhere; } .why { color: #c2410c; }
code { background: #8882; padding: .1rem .3rem; border-radius: 3px; }
"""


def build_page(inspection) -> str:
    """Returns the page of an `Inspection`."""
    height, width = inspection.input_hw
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in inspection.advice.items())
    options = html.escape(options)
    charts = [draw_class_counts(inspection.splits), draw_box_sizes(inspection.splits, inspection.input_hw)]
    sections = [
        f"<h1>{html.escape(inspection.data)}</h1>",
        f"<p>Suggested: <code>{options}</code>. Sizes of boxes are pixels of a {width} x {height} input, images "
        "letterboxed; its map has a cell for every 4 x 4 pixels, and an object is one cell.</p>",
        "<h2>Splits</h2>" + _table(inspection.rows_of_splits),
        "<h2>Classes</h2>" + _table(inspection.rows_of_classes),
        '<h2>Objects and sizes</h2><div class="charts">' + "".join(f'<img src="{_uri(c, "png")}">' for c in charts),
        "</div>",
        *_suspicious(inspection),
        *_doubles(inspection),
        *(_usual(facts) for facts in inspection.splits),
    ]
    title = html.escape(f"Inspection of {inspection.data}")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    page = head + "\n".join(sections) + "</html>\n"
    return page.encode(errors="backslashreplace").decode()  # names of files need not be UTF-8


def _suspicious(inspection) -> list[str]:
    shown = inspection.suspicions[:_SUSPICIOUS]
    if not shown:
        return ["<h2>Suspicious images</h2><p>None.</p>"]
    figures = []
    for facts in inspection.splits:
        ours = [one for one in shown if one.split == facts.name]
        images = facts.load([one.image for one in ours])
        for one in ours:
            why = ", ".join(f"{what} ({count})" if count > 1 else what for what, count in one.reasons.items())
            figures.append(_figure(facts, one.image, images.get(one.image), why))
    count = f"{len(inspection.suspicions)}" + (f", the first {len(shown)}" * (len(inspection.suspicions) > len(shown)))
    return [f"<h2>Suspicious images ({count})</h2>", _grid(figures)]


def _doubles(inspection) -> list[str]:
    pairs = inspection.near_duplicates
    if len(inspection.splits) < 2:
        return []
    if not pairs:
        return ["<h2>Near-duplicates across splits</h2><p>None.</p>"]
    by_name = {facts.name: facts for facts in inspection.splits}
    figures = []
    for pair in pairs[:_PAIRS]:
        for split, name in (pair[:2], pair[2:]):
            facts = by_name[split]
            index = facts.annotations.image_names.index(name)
            figures.append(_figure(facts, index, facts.load([index]).get(index), f"in {split}"))
    return [f"<h2>Near-duplicates across splits ({len(pairs)})</h2>", _grid(figures)]


def _usual(facts: SplitFacts) -> str:
    """Returns images from the whole split, evenly spread."""
    count = len(facts.annotations.image_names)
    indices = np.unique(np.linspace(0, count - 1, min(_USUAL, count)).astype(int)).tolist()
    images = facts.load(indices)
    return f"<h2>Images of {html.escape(facts.name)}</h2>" + _grid(_figure(facts, i, images.get(i)) for i in indices)


def _figure(facts: SplitFacts, index: int, image: np.ndarray | None, why: str = "") -> str:
    name = html.escape(facts.annotations.image_names[index].rpartition("/")[2])
    reason = f'<div class="why">{html.escape(why)}</div>' if why else ""
    picture = f'<img src="{_uri(_drawn(facts, index, image), "jpeg")}" alt="{name}">' if image is not None else ""
    return f"<figure>{picture}<figcaption>{name}{reason}</figcaption></figure>"


def _drawn(facts: SplitFacts, index: int, image: np.ndarray) -> bytes:
    """Returns the image with its boxes, small, as JPEG."""
    splits = facts.annotations.row_splits
    rows = slice(splits[index], splits[index + 1])
    zoom = min(1.0, _THUMBNAIL / max(image.shape[:2]))
    size_wh = tuple(max(1, round(side * zoom)) for side in image.shape[1::-1])
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    classes = facts.annotations.classes[rows]
    labels = [facts.source.classes[i] for i in classes]
    small = draw_boxes(small, facts.annotations.boxes_xyxy[rows] * zoom, classes, labels, line_width=2)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()


def _table(rows: Sequence[tuple]) -> str:
    cells = ["".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in row) for tag, row in _tagged(rows)]
    return '<div class="wide"><table>' + "".join(f"<tr>{row}</tr>" for row in cells) + "</table></div>"


def _tagged(rows: Sequence[tuple]):
    return [("th", rows[0]), *(("td", row) for row in rows[1:])]


def _grid(figures) -> str:
    return '<div class="images">' + "".join(figures) + "</div>"


def _uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
