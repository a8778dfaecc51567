"""What is known about records before the first epoch: from `dataset.json`, or from reading all of them once."""

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet.data.records.description import fields_of, parse_mask
from keras_centernet.data.records.image_ids import ids_of_own
from keras_centernet.data.records.label_map import LabelMap, label_map_of
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath, size_bytes
from keras_centernet.method.specs import FieldSpec

Pair = tuple[int, str]  # what a record says about an object's class: label or 0, text or ""


@dataclasses.dataclass(frozen=True)
class RecordFacts:
    """What reading needs to know of records.

    Attributes:
        counts: records in each file.
        labels: which label and which text stands for which class.
        fields: what the records hold about objects and images beyond class and box.
        task_options: of the `Source`.
        most_objects: the largest number of objects in one image.
        category_ids: {class: its id in the data set}; None if there are none.
        pairs: (label, text) of the class of each usable object of each record; None if the records were not read.
        names: of the image of each record; None if the records were not read.
        class_objects: {class: its objects}; None if unknown.
        has_objects: (n,) bool by record; None if unknown.
        image_ids: (n,) int64 by record, all different; None: those that the parser makes, which all differ.
        own_image_ids: {image id: the data set's own id} where the two are not the same number.
        is_used: (n,) bool, the records that become examples; None: all.
    """

    counts: tuple[int, ...]
    labels: LabelMap
    fields: dict[str, FieldSpec]
    task_options: dict
    most_objects: int
    category_ids: dict[str, object] | None = None
    pairs: Sequence[Sequence[Pair]] | None = None
    names: Sequence[str] | None = None
    class_objects: Mapping[str, int] | None = None
    has_objects: np.ndarray | None = None
    image_ids: np.ndarray | None = None
    own_image_ids: Mapping[int, object] | None = None
    is_used: np.ndarray | None = None

    @property
    def size(self) -> int:
        """Number of examples."""
        return sum(self.counts) if self.is_used is None else int(self.is_used.sum())

    def using(self, is_used: np.ndarray) -> "RecordFacts":
        """Returns the facts with only these of the used records in use; is_used: (n,) bool over all records."""
        is_used = is_used if self.is_used is None else is_used & self.is_used
        return dataclasses.replace(self, is_used=None if is_used.all() else is_used)

    def of_classes(self, classes: Sequence[str], indices: Mapping[str, int]) -> "RecordFacts":
        """Returns the facts in terms of other classes.

        Args:
            classes: their names.
            indices: {class of the records: its index there, -1 for one that is left out}.
        """
        new = {name: classes[i] if i >= 0 else name for name, i in indices.items()}
        labels = LabelMap(
            {label: new[name] for label, name in self.labels.names.items()},
            {text: new[name] for text, name in self.labels.texts.items()},
        )
        ids = {new[name]: key for name, key in reversed((self.category_ids or {}).items()) if indices[name] >= 0}
        facts = dataclasses.replace(self, labels=labels, category_ids=ids or None)
        return facts.counted(classes) if self.pairs is not None else facts._merged(new, classes)

    def counted(self, classes: Sequence[str]) -> "RecordFacts":
        """Returns the facts with what `pairs` tell: the objects of these classes, and which records have some."""
        used = np.ones(len(self.pairs), bool) if self.is_used is None else self.is_used
        wanted = set(classes)
        counts, has_objects, most = collections.Counter(), np.zeros(len(self.pairs), bool), 0
        for i, pairs in enumerate(self.pairs):
            names = [name for pair in pairs if (name := class_of(pair, self.labels)) in wanted]
            has_objects[i] = bool(names)
            if used[i]:
                counts.update(names)
                most = max(most, len(names))
        return dataclasses.replace(self, class_objects=counts, has_objects=has_objects, most_objects=most)

    def _merged(self, new: Mapping[str, str], classes: Sequence[str]) -> "RecordFacts":
        known = self.class_objects
        counts = known and collections.Counter()
        for name, count in (known or {}).items():
            counts[new[name]] += count
        is_whole = set(new.values()) <= set(classes)
        return dataclasses.replace(self, class_objects=counts, has_objects=self.has_objects if is_whole else None)


def class_of(pair: Pair, labels: LabelMap) -> str | None:
    """Returns the class that a record means; as in the API a text takes precedence over a label."""
    return labels.texts.get(pair[1]) or labels.names.get(pair[0])


def facts_from_description(files: Sequence[AnyPath], description: dict) -> RecordFacts:
    """Returns what `dataset.json` says about these files, after comparing their sizes with it.

    Raises:
        UserError: a file has another size.
    """
    shards = {name: shard for split in description["splits"].values() for name, shard in split["shards"].items()}
    for file in files:
        if (size := size_bytes(file)) != shards[file.name]["bytes"]:
            expected = f"{shards[file.name]['bytes']} bytes as written"
            raise UserError(f"{file}: expected {expected}, got {size}; copy it again.")
    masks = [shards[file.name].get("with_objects") for file in files]
    counts = tuple(shards[file.name]["images"] for file in files)
    known = None not in masks
    ids = description.get("category_ids")
    image_ids, own_image_ids = ids_of_own(_own_ids(files, description), files, counts)
    return RecordFacts(
        counts=counts,
        labels=label_map_of(description["classes"], ids),
        fields=fields_of(description),
        task_options=description["task_options"],
        most_objects=max(split["most_objects"] for split in description["splits"].values()),
        category_ids=dict(zip(description["classes"], ids, strict=True)) if ids else None,
        class_objects=_class_objects(files, description),
        has_objects=np.concatenate([parse_mask(*pair) for pair in zip(masks, counts, strict=True)]) if known else None,
        image_ids=image_ids,
        own_image_ids=own_image_ids,
    )


def _own_ids(files: Sequence[AnyPath], description: dict) -> list | None:
    """Returns the data set's own id of each image, None for those whose id is the number in the record."""
    known = {}
    for split in description["splits"].values():
        start, own = 0, split.get("own_image_ids")
        for name, shard in split["shards"].items():
            known[name] = own[start : start + shard["images"]] if own else [None] * shard["images"]
            start += shard["images"]
    ids = [own for file in files for own in known[file.name]]
    return ids if any(own is not None for own in ids) else None


def _class_objects(files: Sequence[AnyPath], description: dict) -> dict[str, int] | None:
    """Returns {class: its objects}; None if a split is not used as a whole, or its objects are not counted."""
    names = {file.name for file in files}
    used = [split for split in description["splits"].values() if names & set(split["shards"])]
    is_whole = all(set(split["shards"]) <= names and "class_objects" in split for split in used)
    counts = np.sum([split["class_objects"] for split in used], axis=0) if is_whole else ()
    return {name: int(count) for name, count in zip(description["classes"], counts, strict=True)} if is_whole else None
