"""TFRecord files with the TensorFlow Object Detection API's keys: what `make-tfrecords` writes, and the API's own.

A few large files are read sequentially instead of one file per image: for slow disks, buckets and many machines.
`Source.service_examples` is TensorFlow alone, so that a data service's workers can run it.
"""

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from keras_centernet.clock import Clock
from keras_centernet.data.counting import say, warn_counted
from keras_centernet.data.fields import REGION_FIELDS, known_fields
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.classes import choose_classes
from keras_centernet.data.reading.parts import choose_part, compare_made, describe_made
from keras_centernet.data.reading.splits import make_split
from keras_centernet.data.reading.summary import summary_line
from keras_centernet.data.records import keys
from keras_centernet.data.records.facts import RecordFacts, class_of, facts_from_description
from keras_centernet.data.records.finding import RecordFiles
from keras_centernet.data.records.label_map import find_label_map, read_label_map
from keras_centernet.data.records.parsing import RecordParser
from keras_centernet.data.records.scanning import scan_records
from keras_centernet.data.records.streams import examples_of, service_examples_of
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath


def read_tfrecord(request: DataRequest) -> Source:
    """Returns one split of a data set in TFRecord files, or a part of one, chosen by the names of its images.

    A `dataset.json` (of `make-tfrecords`) says what the records beside it hold; without one they are read once, to
    count them and to find the names of their classes and keypoints. EXIF orientation is not applied, as in the API. A
    damaged record or image becomes a black image without objects, so that every epoch has the announced number of
    images.

    `data` is a folder, file or pattern, local or gs://; files are chosen by the split's name in their own name
    or in their folder's, see `finding`. `annotations` is a label map (.pbtxt) of the API; None takes the one beside the
    records, or the names in them. With `fields`, all fields of the records are read; without, only class and box, and
    which objects are hidden regions. `strict` decodes every image before the first epoch.

    Raises:
        UserError: nothing is found, files are missing or cut off, classes or keypoints have no names, or no object is
            left to learn from or to measure with.
    """
    found = RecordFiles(request.data)
    known = found.splits(request.split)
    names, part = choose_part(known, request)
    files = found.of(names[0] if len(names) == 1 else None)
    facts, is_described = _facts(found, files, request, is_part=part is not None)
    missing = [field for field in request.fields if field not in facts.fields]
    if missing:
        raise UserError(f"{request.data}: expected records with {', '.join(missing)}, which they do not have.")
    name, made = f"{request.data} ({request.split if known else 'all'})", None
    if part is not None:
        made = _made_split(facts, request)
        chosen = set(made[part])
        facts = facts.using(np.array([image in chosen for image in facts.names], bool))
        name = f"{request.data} ({request.split}, {describe_made(made, names)})"
    classes, indices = choose_classes(facts.labels.classes, _objects_by_class(facts), request)
    facts = facts.of_classes(classes, indices)
    # Objects of left-out classes must be removed, and merging classes can make two objects equal.
    is_trusted = is_described and -1 not in indices.values() and len(set(indices.values())) == len(indices)
    fields = {key: spec for key, spec in facts.fields.items() if request.fields or key in REGION_FIELDS}
    _say(name, classes, facts)
    source = _build_source(name, files, facts, RecordParser(classes, facts.labels, fields, is_trusted))
    return dataclasses.replace(source, made_split=made)


def _facts(
    found: RecordFiles, files: Sequence[AnyPath], request: DataRequest, is_part: bool
) -> tuple[RecordFacts, bool]:
    """Returns (what is known of the files, whether `dataset.json` says it).

    `is_part` says whether the names of the images are needed, which only the records themselves hold.
    """
    known = known_fields()
    needs_keypoints = any(keys.are_keypoints(known[name]) for name in request.fields if name in known)
    if found.description is not None and request.annotations is None:
        facts = facts_from_description(files, found.description)
        if request.strict or is_part:
            scanned = scan_records(files, facts.labels, request.strict)
            facts = dataclasses.replace(facts, pairs=scanned.pairs, names=scanned.names)
        return facts, True
    given = request.annotations
    labels = find_label_map(files, found.root) if given is None else read_label_map(given)
    return scan_records(files, labels, request.strict, needs_keypoints), False


def _made_split(facts: RecordFacts, request: DataRequest) -> Mapping[str, Sequence[str]]:
    """Returns {"train": image names, "val": image names}: those made before, or new ones."""
    made = request.made_split
    if made is not None:
        for what, names in compare_made(facts.names, made, request).items():
            warn_counted(names, what)
        return made
    numbers = {name: i for i, name in enumerate(facts.labels.classes)}
    objects = [(i, class_of(pair, facts.labels)) for i, pairs in enumerate(facts.pairs) for pair in pairs]
    rows = np.array([(i, numbers[name]) for i, name in objects if name is not None], np.int64).reshape(-1, 2)
    return make_split(facts.names, rows[:, 0], rows[:, 1], request.val_share)


def _objects_by_class(facts: RecordFacts) -> Mapping[str, int] | None:
    """Returns {class: its objects} of the records that are used; None if only reading the records could tell."""
    if facts.pairs is None:
        return facts.class_objects
    used = np.ones(len(facts.pairs), bool) if facts.is_used is None else facts.is_used
    names = (
        class_of(pair, facts.labels) for pairs, one in zip(facts.pairs, used, strict=True) if one for pair in pairs
    )
    return collections.Counter(name for name in names if name is not None)


def _say(name: str, classes: Sequence[str], facts: RecordFacts) -> None:
    """Prints what was read; raises a UserError if there are no objects."""
    if facts.class_objects is None:
        return
    counts = [facts.class_objects.get(one, 0) for one in classes]
    if not sum(counts):
        problem = f"all {facts.size} image(s) are without objects"
        raise UserError(f"{name}: expected objects to learn from or to measure with, but {problem}.")
    used = slice(None) if facts.is_used is None else facts.is_used
    empty = 0 if facts.has_objects is None else int((~facts.has_objects[used]).sum())
    say(summary_line(name, facts.size, classes, counts, [(empty, "images without objects")]))


def _build_source(name: str, files: Sequence[AnyPath], facts: RecordFacts, parser: RecordParser) -> Source:
    clock, ids = Clock(), facts.category_ids

    def without_empty():
        # An older `dataset.json` does not say which images are empty, nor does any if classes are left out.
        known = facts
        if facts.has_objects is None:
            known = scan_records(files, facts.labels).counted(parser.classes)
        kept = facts.using(known.has_objects)
        if not kept.size:
            raise UserError(f"{name}: expected images with objects, got none; remove empty_images=False.")
        return _build_source(name, files, kept, parser)

    return Source(
        name=name,
        classes=parser.classes,
        size=facts.size,
        examples=functools.partial(examples_of, files, facts, parser, clock),
        fields=parser.fields,
        task_options=facts.task_options if set(parser.fields) - set(REGION_FIELDS) else {},
        without_empty=without_empty,
        category_ids=tuple(ids.get(name) for name in parser.classes) if ids else None,
        own_image_ids=facts.own_image_ids,
        clock=clock,
        objects=facts.class_objects and sum(facts.class_objects.get(name, 0) for name in parser.classes),
        most_objects=facts.most_objects,
        service_examples=functools.partial(service_examples_of, files, facts, parser),
    )
