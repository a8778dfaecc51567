"""Reads all records once, to know what is in them; images are decoded only if `strict`."""

import collections

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tqdm import tqdm

from keras_centernet.data.annotations import has_extent, meets
from keras_centernet.data.counting import warn_counted
from keras_centernet.data.fields import REGION_FIELDS, closed, known_fields
from keras_centernet.data.images import decode_image
from keras_centernet.data.reading.values import LARGEST_FRACTION
from keras_centernet.data.records import keys
from keras_centernet.data.records.facts import Pair, RecordFacts, class_of
from keras_centernet.data.records.image_ids import TEXT_ERRORS, ids_of_texts
from keras_centernet.data.records.label_map import LabelMap, label_map_of
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath
from keras_centernet.files.texts import read_beginning
from keras_centernet.tasks.skeletons import COCO_PERSON, Skeleton

_GZIP = b"\x1f\x8b"
_HIDDEN = REGION_FIELDS["is_hidden"].record_key
_INTEGERS = (keys.IS_CROWD, keys.IS_DIFFICULT, _HIDDEN)
_OPTIONAL = dict.fromkeys(_INTEGERS, "int64_list") | {keys.AREA: "float_list"}


def scan_records(
    files: list[AnyPath], labels: LabelMap | None, strict: bool = False, needs_keypoints: bool = False
) -> RecordFacts:
    """Returns what one pass over all records finds.

    Warnings count damaged records, objects without a class and boxes that no detector can learn from.

    Args:
        labels: from a label map; None takes the names in the records.
        strict: decode every image, and stop at the first damage.
        needs_keypoints: whether the names of the keypoints must be known.

    Raises:
        UserError: no record can be used, boxes are in pixels, classes or keypoints have no names, or (strict) something
            is damaged.
    """
    scan = _Scan(strict)
    counts = [scan.read(file) for file in tqdm(files, "reading records", delay=2, leave=False, disable=None)]
    if not sum(counts):
        raise UserError(f"{files[0]}: expected records, got none{' that can be read' * bool(scan.damaged)}.")
    if not scan.usable:
        raise UserError(f"{scan.damaged[0]}; none of {len(files)} file(s) holds a record that can be used.")
    if scan.in_pixels and len(scan.in_pixels) == scan.with_boxes:
        raise UserError(f"{scan.in_pixels[0]}: expected boxes in fractions of the image (0 to 1), got pixels.")
    warn_counted(scan.damaged, "record(s) damaged, they become black and without objects")
    warn_counted(scan.bad_boxes, "image(s) with boxes that are empty, outside or given twice, which are skipped")
    category_ids = {name: label for label, name in labels.names.items()} if labels else None
    labels = labels or _named_by_records(scan.classes, files[0])
    unknown = [f"{p[1] or p[0]} in {where}" for p, where in scan.classes.items() if class_of(p, labels) is None]
    warn_counted(unknown, f"class(es) skipped that are none of {', '.join(labels.classes[:8])}")
    skeleton = _skeleton(scan.keypoints, scan.first_with_keypoints) if needs_keypoints else None
    fields = {
        name: closed(spec, len(skeleton.names) if skeleton else 0)
        for name, spec in known_fields().items()
        if (skeleton is not None if keys.are_keypoints(spec) else keys.key_of(name, spec) in scan.keys)
    }
    image_ids, own_image_ids = ids_of_texts(scan.texts, files, counts)
    return RecordFacts(
        counts=tuple(counts),
        labels=labels,
        fields=fields,
        task_options={"skeleton": skeleton.to_dict()} if skeleton else {},
        most_objects=scan.most_objects,
        category_ids=category_ids,
        pairs=scan.pairs,
        names=_different(scan.names),
        image_ids=image_ids,
        own_image_ids=own_image_ids,
    )


class _Scan:
    """Collects what records hold."""

    def __init__(self, strict: bool):
        self.strict = strict
        self.classes: dict[Pair, str] = {}  # -> where it was first seen
        self.pairs: list[list[Pair]] = []  # of each record's objects that can be learnt from
        self.texts: list[str] = []  # what each record calls its image
        self.names: list[str] = []  # names of the image files, or such a text
        self.keypoints = collections.Counter()  # lists of names -> records that have them
        self.first_with_keypoints = None
        self.keys = set()
        self.damaged, self.bad_boxes, self.in_pixels = [], [], []
        self.most_objects = self.usable = self.with_boxes = 0
        self._same: dict[Pair, Pair] = {}  # one object for all equal pairs: there may be millions

    def read(self, file: AnyPath) -> int:
        """Reads a file up to the first damaged place, after which no record can be found; returns the number read."""
        if read_beginning(file, len(_GZIP)) == _GZIP:
            raise UserError(
                f"{file}: expected uncompressed records, got a file that is compressed; unpack it with gunzip."
            )
        count = 0
        try:
            for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
                count += 1
                self.texts.append("")
                self.names.append(f"{file.name}, record {count}")
                self.pairs.append(self._look_at(record, f"{file}, record {count}") or [])
        except tf.errors.OpError:
            self._damage(f"{file}: expected whole records, got damage after record {count}, where the rest is lost")
        return count

    def _look_at(self, record: bytes, where: str) -> list[Pair] | None:
        try:
            features = tf.train.Example.FromString(record).features.feature
        except DecodeError:
            return self._damage(f"{where}: expected a tf.train.Example, got something else")
        source_id, name = (_text(features, key) for key in (keys.SOURCE_ID, keys.FILENAME))
        self.texts[-1] = source_id or name
        self.names[-1] = name or source_id or self.names[-1]
        corners = [features[key].float_list.value for key in keys.CORNERS]
        names = [text.decode(errors="replace") for text in features[keys.TEXT].bytes_list.value]
        labels = list(features[keys.LABEL].int64_list.value)
        count = len(corners[0])
        lengths = {len(corner) for corner in corners} | {len(values) for values in (names, labels) if values}
        if count and not (names or labels):
            return self._damage(f"{where}: expected objects with {keys.TEXT} or {keys.LABEL}, got neither")
        if lengths != {count}:
            return self._damage(f"{where}: expected as many boxes as classes, got {sorted(lengths)} values")
        for key, kind in _OPTIONAL.items():
            found = features[key].WhichOneof("kind")
            size = len(getattr(features[key], found).value) if found else 0
            if size and (found != kind or size != count):
                return self._damage(f"{where}: expected {count} values in a {kind} as {key}, got {size} in a {found}")
        if not features[keys.ENCODED].bytes_list.value:
            known = ", ".join(key for key in sorted(features) if features[key].WhichOneof("kind"))[:80]
            return self._damage(f"{where}: expected an image in {keys.ENCODED}, got none (keys: {known})")
        if self.strict:
            decode_image(features[keys.ENCODED].bytes_list.value[0], where)
        pairs = [self._same.setdefault(p, p) for p in zip(labels or [0] * count, names or [""] * count, strict=True)]
        for pair in pairs:
            self.classes.setdefault(pair, where)
        hidden = np.array(features[_HIDDEN].int64_list.value or [0] * count, bool)
        is_good = self._look_at_boxes(pairs, hidden, np.stack(corners, axis=1) if count else np.zeros((0, 4)), where)
        self.usable += 1
        self.most_objects = max(self.most_objects, count)
        self.keys |= {key for key in features if features[key].WhichOneof("kind")}
        if count and features[keys.KEYPOINT_X].float_list.value:
            self._look_at_keypoints(features, count, where)
        return [pair for pair, is_kept in zip(pairs, is_good & ~hidden, strict=True) if is_kept]

    def _look_at_boxes(self, pairs: list[Pair], hidden: np.ndarray, boxes_xyxy: np.ndarray, where: str) -> np.ndarray:
        """Returns (N,) bool: which boxes can be learnt from."""
        rows = list(zip(pairs, hidden.tolist(), map(tuple, boxes_xyxy.tolist()), strict=True))
        first = {row: i for i, row in reversed(list(enumerate(rows)))}
        is_good = has_extent(boxes_xyxy) & meets(boxes_xyxy, 1, 1)
        is_good &= np.array([first[row] == i for i, row in enumerate(rows)], bool)
        if not is_good.all():
            self.bad_boxes.append(where)
        self.with_boxes += len(rows) > 0
        if np.abs(boxes_xyxy).max(initial=0) > LARGEST_FRACTION:
            self.in_pixels.append(where)
        return is_good

    def _look_at_keypoints(self, features, count: int, where: str) -> None:
        self.first_with_keypoints = self.first_with_keypoints or where
        texts = [text.decode(errors="replace") for text in features[keys.KEYPOINT_TEXT].bytes_list.value]
        if texts and len(texts) == len(features[keys.KEYPOINT_X].float_list.value) and len(texts) % count == 0:
            self.keypoints[tuple(texts[: len(texts) // count])] += 1

    def _damage(self, line: str) -> None:
        if self.strict:
            raise UserError(f"{line}; make the file anew.")
        self.damaged.append(line)


def _named_by_records(classes: dict, file: AnyPath) -> LabelMap:
    """Returns the names in the records, by label if each name has a label of its own, else alphabetically."""
    texts = {text for _, text in classes if text}
    if not texts or any(not text for _, text in classes):
        problem = "got numbers alone or no objects; pass `annotations` with the label map (.pbtxt)."
        raise UserError(f"{file}: expected objects with {keys.TEXT}, {problem}")
    by_label = {label: text for label, text in sorted(classes) if label > 0}
    if len(by_label) == len(texts) == len(classes):
        return LabelMap(by_label, {text: text for text in texts})
    return label_map_of(sorted(texts))


def _text(features, key: str) -> str:
    return b"".join(features[key].bytes_list.value[:1]).decode(errors=TEXT_ERRORS)


def _different(names: list[str]) -> list[str]:
    """Returns the names, with a number appended to repeated ones."""
    seen: collections.Counter = collections.Counter()
    different = []
    for name in names:
        different.append(f"{name}#{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return different


def _skeleton(keypoints: collections.Counter, where: str | None) -> Skeleton | None:
    if where is None:
        return None
    if len(keypoints) != 1:
        expected = f"the same names of keypoints in {keys.KEYPOINT_TEXT} of every record"
        raise UserError(f"{where}: expected {expected}, got {len(keypoints)} lists.")
    (names,) = keypoints
    return COCO_PERSON if names == COCO_PERSON.names else Skeleton(names, flip_pairs=None)
