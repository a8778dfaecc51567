"""What a reader finds: images and the objects in them, one at a time and unchecked."""

import dataclasses
from collections.abc import Sequence

from keras_centernet.files.paths import AnyPath


@dataclasses.dataclass
class Found:
    """The images of one split and the unchecked content of their label files.

    A reader makes one, calls `add_image` and `add_object`, and returns it. `finishing.to_source` checks all values, so
    readers pass numbers on unchanged: texts that are numbers, NaN and negative sizes included.

    Attributes:
        name: name of the data, for messages.
        unit: what the number of an object counts in its label file: "line", "object", "entry {} of 'annotations'", ...
        classes: names that the data set declares, in their order; None: the names that objects have, sorted.
        is_relative: whether boxes, and the fields named `_xy`, `_xyxy` and `_xyv`, are fractions of the upright image.
        task_options: what the data set says about its task, such as {"skeleton": {...}}.
        category_ids: {class name: the data set's own id}, for its evaluation server.
        looked_for: where label files were looked for, for the error that none was found.
        notes: {what was left out or guessed: names}, one `DataWarning` each, see `warn_counted`.
        images, stated_hw, image_ids, label_files, unlabelled: one value per image.
        rows: (image, class name, four numbers of the box, number of the object, is crowd, is difficult, area).
        fields: {key: one value per object}.
        image_fields: {key: one value per image}.
    """

    name: str
    unit: str = "object"
    classes: Sequence[str] | None = None
    is_relative: bool = False
    task_options: dict = dataclasses.field(default_factory=dict)
    category_ids: dict | None = None
    looked_for: str = ""
    notes: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    images: list[str] = dataclasses.field(default_factory=list)
    stated_hw: list[tuple] = dataclasses.field(default_factory=list)
    image_ids: list = dataclasses.field(default_factory=list)
    label_files: list[str] = dataclasses.field(default_factory=list)
    unlabelled: list[bool] = dataclasses.field(default_factory=list)
    rows: list[tuple] = dataclasses.field(default_factory=list)
    fields: dict[str, list] = dataclasses.field(default_factory=dict)
    image_fields: dict[str, list] = dataclasses.field(default_factory=dict)

    def add_image(
        self, path: AnyPath | str, labels: AnyPath | str = "", *, hw=(0, 0), image_id=None, has_labels=True, **fields
    ) -> int:
        """Adds an image and returns its index.

        Args:
            path: path of the image's file, which need not exist.
            labels: the file that describes its objects, for messages.
            hw: (height, width) that the labels state; zeros or None if they state none.
            image_id: the data set's own id, any JSON value; None if there is none.
            has_labels: False if its label file is missing.
            fields: further values of the image, with the same keys for every image.
        """
        self.images.append(str(path))
        self.label_files.append(str(labels or path))
        self.stated_hw.append(hw)
        self.image_ids.append(image_id)
        self.unlabelled.append(not has_labels)
        for key, value in fields.items():
            self.image_fields.setdefault(key, []).append(value)
        return len(self.images) - 1

    def add_object(
        self, image: int, name, box_xyxy, number, *, is_crowd=False, is_difficult=False, area=None, **fields
    ) -> None:
        """Adds an object to an image.

        Args:
            image: the image's index, as `add_image` returned it.
            name: name of the class.
            box_xyxy: x1, y1, x2, y2 in image pixels, or fractions if `is_relative`.
            number: position of the object in its label file, counted in `unit`.
            is_crowd, is_difficult: COCO's and VOC's marks.
            area: COCO's area of the mask; None: width * height of the box.
            fields: further values of the object, with the same keys for every object.
        """
        x1, y1, x2, y2 = box_xyxy
        self.rows.append((image, name, x1, y1, x2, y2, number, is_crowd, is_difficult, area))
        for key, value in fields.items():
            self.fields.setdefault(key, []).append(value)

    @property
    def is_visible(self) -> list[bool]:
        """One value per object: False for regions that hide objects, else True."""
        return [not hidden for hidden in self.fields.get("is_hidden", ())] or [True] * len(self.rows)

    def note(self, what: str, name: str) -> None:
        """Counts something that was left out or guessed; `what` follows the count in the warning."""
        self.notes.setdefault(what, []).append(name)

    def where(self, row: tuple) -> str:
        """Returns the file and number of an object, for messages."""
        unit = self.unit if "{}" in self.unit else f"{self.unit} {{}}"
        return f"{self.label_files[row[0]]}, {unit.format(row[6])}"

    def keep(self, is_kept: Sequence[bool]) -> None:
        """Removes the images that are not marked in `is_kept`, and their objects."""
        numbers = {old: new for new, old in enumerate(i for i, kept in enumerate(is_kept) if kept)}
        for name in ("images", "stated_hw", "image_ids", "label_files", "unlabelled"):
            setattr(self, name, [getattr(self, name)[i] for i in numbers])
        self.image_fields = {key: [rows[i] for i in numbers] for key, rows in self.image_fields.items()}
        stays = [row[0] in numbers for row in self.rows]
        self.fields = {
            key: [value for value, kept in zip(rows, stays, strict=True) if kept] for key, rows in self.fields.items()
        }
        self.rows = [(numbers[row[0]], *row[1:]) for row in self.rows if row[0] in numbers]

    def merge_repeated(self) -> None:
        """Merges the objects of an image that several label files describe; images with own ids stay separate."""
        first, targets = {}, []
        for i, image in enumerate(self.images):
            targets.append(first.setdefault(image, i) if self.image_ids[i] is None else i)
        repeated = {i: self.label_files[i] for i, target in enumerate(targets) if target != i}
        for labels in repeated.values():
            self.note("label file(s) of an image that has another one, their objects are put together", labels)
        if repeated:
            for k, (i, *values) in enumerate(self.rows):
                values[5] = f"{values[5]} of {repeated[i]}" if i in repeated else values[5]
                self.rows[k] = (targets[i], *values)
            self.keep([i not in repeated for i in range(len(targets))])

    def extend(self, other: "Found") -> None:
        """Adds the images and objects of another split of the same data set."""
        start = len(self.images)
        for name in ("images", "stated_hw", "image_ids", "label_files", "unlabelled"):
            getattr(self, name).extend(getattr(other, name))
        self.rows += [(row[0] + start, *row[1:]) for row in other.rows]
        for mine, others in ((self.fields, other.fields), (self.image_fields, other.image_fields)):
            for key, values in others.items():
                mine.setdefault(key, []).extend(values)
        for what, names in other.notes.items():
            mine = self.notes.setdefault(what, [])
            known = {*mine}  # a file that no split reads is noted for each
            mine.extend(name for name in names if name not in known)
        if self.classes is not None:
            self.classes = tuple(dict.fromkeys((*self.classes, *(other.classes or ()))))
        if self.category_ids is not None:
            self.category_ids = {**(other.category_ids or {}), **self.category_ids}
