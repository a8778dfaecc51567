"""One self-contained HTML page about a data set: no network, no script."""

import html

import cv2
import numpy as np

from keras_centernet.drawing.boxes import draw_boxes
from keras_centernet.drawing.html_page import charts_of, figure_of, grid_of, page_of, table_of
from keras_centernet.inspection.charts import draw_box_sizes, draw_class_counts
from keras_centernet.inspection.facts import SplitFacts

_SUSPICIOUS, _USUAL, _PAIRS = 24, 24, 12  # images on the page
_THUMBNAIL = 320  # pixels of the longer side


def build_page(inspection) -> str:
    """Returns the page of an `Inspection`."""
    height, width = inspection.input_hw
    options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in inspection.advice.items())
    options = html.escape(options)
    charts = [draw_class_counts(inspection.splits), draw_box_sizes(inspection.splits, inspection.input_hw)]
    sections = [
        f"<h1>{html.escape(inspection.data)}</h1>",
        f"<p>Suggested: <code>{options}</code>. Sizes of boxes are pixels of a {height} x {width} input, images "
        "letterboxed; its map has a cell for every 4 x 4 pixels, and an object is one cell.</p>",
        "<h2>Splits</h2>" + table_of(inspection.rows_of_splits),
        "<h2>Classes</h2>" + table_of(inspection.rows_of_classes),
        "<h2>Objects and sizes</h2>" + charts_of(charts),
        *_suspicious(inspection),
        *_doubles(inspection),
        *(_usual(facts) for facts in inspection.splits),
    ]
    return page_of(f"Inspection of {inspection.data}", sections)


def _suspicious(inspection) -> list[str]:
    shown = inspection.suspicions[:_SUSPICIOUS]
    if not shown:
        return ["<h2>Suspicious images</h2><p>None.</p>"]
    figures = []
    for facts in inspection.splits:
        ours = [one for one in shown if one.split == facts.name]
        images = facts.load([one.image for one in ours])
        for one in ours:
            figures.append(_figure(facts, one.image, images.get(one.image), one.text))
    count = f"{len(inspection.suspicions)}" + (f", the first {len(shown)}" * (len(inspection.suspicions) > len(shown)))
    return [f"<h2>Suspicious images ({count})</h2>", grid_of(figures)]


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
    return [f"<h2>Near-duplicates across splits ({len(pairs)})</h2>", grid_of(figures)]


def _usual(facts: SplitFacts) -> str:
    """Returns the section of a split's images, spread evenly over the split."""
    count = len(facts.annotations.image_names)
    indices = np.unique(np.linspace(0, count - 1, min(_USUAL, count)).astype(int)).tolist()
    images = facts.load(indices)
    return f"<h2>Images of {html.escape(facts.name)}</h2>" + grid_of(_figure(facts, i, images.get(i)) for i in indices)


def _figure(facts: SplitFacts, index: int, image: np.ndarray | None, why: str = "") -> str:
    name = facts.annotations.image_names[index].rpartition("/")[2]
    return figure_of(name, None if image is None else _drawn(facts, index, image), why)


def _drawn(facts: SplitFacts, index: int, image: np.ndarray) -> bytes:
    """Returns a small JPEG file of the image with its boxes."""
    splits = facts.annotations.row_splits
    rows = slice(splits[index], splits[index + 1])
    zoom = min(1.0, _THUMBNAIL / max(image.shape[:2]))
    size_wh = tuple(max(1, round(side * zoom)) for side in image.shape[1::-1])
    small = cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA)
    classes = facts.annotations.classes[rows]
    labels = [facts.source.classes[i] for i in classes]
    small = draw_boxes(small, facts.annotations.boxes_xyxy[rows] * zoom, classes, labels, line_width=2)
    return cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
