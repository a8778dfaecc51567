"""Inspects a data set before training on it."""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence

import numpy as np

from keras_centernet.data.checks import check_input_size
from keras_centernet.data.formats.opening import read_source, splits_of
from keras_centernet.data.names import is_usual_split
from keras_centernet.data.reading.splits import TRAIN, VAL
from keras_centernet.drawing.text_table import align
from keras_centernet.files.atomic import write_text
from keras_centernet.inspection.advice import advise_input_size, advise_max_objects
from keras_centernet.inspection.facts import SMALL_CELLS, SplitFacts, facts_of
from keras_centernet.inspection.suspicious import Suspicion, find_near_duplicates, find_suspicions
from keras_centernet.method.specs import Task
from keras_centernet.tasks.classes import check_name_list
from keras_centernet.tasks.table import task_row

_SHOWN_SUSPICIONS = 10
_QUANTILES = (0.05, 0.5, 0.95)


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """What is in a data set; printing it shows the tables.

    Attributes:
        data: what was inspected.
        splits: facts of each split.
        input_hw: (height, width) of the network's input that sizes are compared with.
    """

    data: str
    splits: Sequence[SplitFacts]
    input_hw: tuple[int, int]

    def __repr__(self) -> str:
        return self.table()

    @functools.cached_property
    def suspicions(self) -> list[Suspicion]:
        """Images whose labels look wrong, of all splits."""
        return [one for facts in self.splits for one in find_suspicions(facts)]

    @functools.cached_property
    def near_duplicates(self) -> list[tuple[str, str, str, str]]:
        """(split, image, other split, image): photos that two splits have in common."""
        return find_near_duplicates(self.splits)

    @functools.cached_property
    def advice(self) -> dict[str, int]:
        """{"input_size", "max_objects"} that suit the data."""
        return {"input_size": advise_input_size(self.splits), "max_objects": advise_max_objects(self.splits)}

    @property
    def rows_of_splits(self) -> list[tuple]:
        """A row per split, under a heading: images, objects, boxes in input pixels."""
        heading = ("split", "images", "without objects", "objects", "most in one image", "box side 5 / 50 / 95 %")
        rows = [(*heading, f"under {SMALL_CELLS} cells", "centre in a taken cell")]
        for facts in self.splits:
            boxes_xyxy, counts = facts.boxes_in_input(self.input_hw), facts.object_counts
            sides = np.sqrt(np.prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=1))
            quantiles = " / ".join(f"{side:.0f}" for side in np.quantile(sides, _QUANTILES)) if len(sides) else "-"
            numbers = (len(counts), int((counts == 0).sum()), len(sides), int(counts.max(initial=0)))
            small, shared = facts.small_count(self.input_hw), facts.shared_count(self.input_hw)
            rows.append(tuple(map(str, (facts.name, *numbers, quantiles, small, shared))))
        return rows

    @property
    def rows_of_classes(self) -> list[tuple]:
        """A row per class, under a heading: its objects in each split."""
        counts = np.stack([facts.class_counts for facts in self.splits], axis=1)
        names = self.splits[0].source.classes
        heading = ("class", *(facts.name for facts in self.splits))
        return [heading, *((name, *map(str, row)) for name, row in zip(names, counts, strict=True))]

    def table(self) -> str:
        """Returns the facts as aligned text, with the first suspicious images and near-duplicates."""
        height, width = self.input_hw
        suspicious = [f"{one.split} {one.name}: {one.text}" for one in self.suspicions]
        doubles = [f"{a} {one} = {b} {other}" for a, one, b, other in self.near_duplicates]
        parts = [align(self.rows_of_splits), align(self.rows_of_classes)]
        parts.append(f"Sizes are pixels of a {height} x {width} input.")
        for what, lines in (("suspicious image(s)", suspicious), ("near-duplicate(s) across splits", doubles)):
            more = [f"  ... {len(lines) - _SHOWN_SUSPICIONS} more"] * (len(lines) > _SHOWN_SUSPICIONS)
            parts.append("\n".join([f"{len(lines)} {what}", *(f"  {x}" for x in lines[:_SHOWN_SUSPICIONS]), *more]))
        options = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self.advice.items())
        return "\n\n".join([*parts, f"suggested: {options}"])

    def save(self, path: str | os.PathLike) -> None:
        """Writes one HTML page that opens without a network: tables, charts, and images with their boxes drawn."""
        from keras_centernet.inspection.page import build_page

        write_text(path, build_page(self))


def inspect(
    data: str | os.PathLike,
    *,
    split: str | None = None,
    task: str | Task | Callable = "detection",
    input_size: int | tuple[int, int] = 512,
    format: str | None = None,
    **options,
) -> Inspection:
    """Returns what is in a data set, and what looks wrong in it.

    Args:
        data, format, options: of `load_dataset`: "annotations", "images", "classes", "class_map", "val_share", ...
        split: one split; None: all with a usual name such as "train", or else all. A data set without splits is divided
            into "train" and "val".
        task: key of `TASKS`, a `Task` or the function that builds it: its fields of the objects, such as keypoints, are
            read.
        input_size: of the network, with which boxes are compared.

    Raises:
        UserError: the data cannot be read, or an unknown task.

    Examples:
        >>> kc.inspect("photos/").save("photos.html")  # doctest: +SKIP
    """
    check_name_list(options.get("classes"))
    fields = task_row(task).fields
    places = {name: options[name] for name in ("annotations", "images") if name in options}
    own = splits_of(data, format, tuple(fields), **places)
    known = {None: (TRAIN, VAL), (): (TRAIN, VAL)}.get(own, own)
    names = (split,) if split else tuple(name for name in known if is_usual_split(name)) or known
    facts = []
    for name in names:
        source = read_source(data, name, format, tuple(fields), **options)
        options["classes"] = source.classes
        facts.append(facts_of(name, source))
    return Inspection(os.fspath(data), facts, check_input_size(input_size))
