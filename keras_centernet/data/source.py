"""What a reader returns: the images and objects of one split as a stream of examples.

An example is a dict of tensors, before any augmentation:

| key | shape, dtype | content |
|---|---|---|
| image | (H, W, 3) uint8 | RGB, upright |
| boxes_xyxy | (N, 4) float32 | image pixels, index coordinates, x1 < x2 and y1 < y2, may reach over the border |
| classes | (N,) int32 | index into `Source.classes` |
| is_crowd | (N,) bool | COCO's group boxes; False in formats that do not mark them |
| is_difficult | (N,) bool | VOC's mark; False in formats that do not have it |
| areas | (N,) float32 | square image pixels: COCO's `area` (of the mask), else width * height |
| image_id | () int64 | COCO's id, else the position in the split |

and, if the data set has them, the keys of `Source.fields`, which tasks other than detection need, such as

| key | shape, dtype | content |
|---|---|---|
| is_hidden | (N,) bool | whether the row is a region that hides objects of its class, see `fields.py` |
| keypoints_xyv | (N, K, 3) float32 | image pixels x, y, and COCO's v: 0 not marked, 1 hidden, 2 visible |
| locations_xyz | (N, 3) float32 | metres in the camera's frame, centre of the bottom face |
| dimensions_hwl | (N, 3) float32 | height, width, length in metres |
| alphas, rotations_y | (N,) float32 | radians, relative to the viewing ray and in the camera's frame |
| truncations, occlusions | (N,) float32, int32 | KITTI's marks |
| kitti_types | (N,) int32 | index into `formats.kitti.labels.TYPES` |
| calibration | (3, 4) float32 | projection from the camera's frame to image pixels |

`fields.py` says which keys have one row per object, and how values move when the image is warped.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_centernet.clock import Clock
from keras_centernet.data.annotations import Annotations, drop_bad_boxes
from keras_centernet.data.counting import WarningCounter
from keras_centernet.data.fields import OBJECT_KEYS, describe
from keras_centernet.data.image_headers import MAX_PIXELS
from keras_centernet.data.images import decode_image, read_image
from keras_centernet.data.passes import Passes, in_order, shuffled_indices
from keras_centernet.errors import UserError
from keras_centernet.files.paths import threads_for
from keras_centernet.method.specs import FieldSpec
from keras_centernet.tasks.skeletons import Skeleton

BECAME_BLACK = "image(s) became black and without objects, file damaged or gone since the start"


@dataclasses.dataclass(frozen=True)
class Source:
    """One split of a data set, whatever its format.

    Attributes:
        name: name of the source in messages.
        classes: names, in the order of the class indices.
        size: number of images.
        examples: `examples(passes=None, limit=None, workers=None)` -> tf.data.Dataset of examples of the first
            `limit` images: once and in order, or shuffled and sharded by `passes.Passes`; each shuffled example also
            has its own "seed" (2,) int64.
        image_names: n names, or None for a stream.
        object_counts: (n,) objects per image and hidden regions, or None for a stream.
        fields: {key that the examples have besides the usual ones: what it holds}.
        task_options: what the data set says about its task, such as {"skeleton": {...}}.
        without_empty: function () -> the same source without the images that have no objects; None for a stream.
        category_ids: the data set's own id of each class, a number or a text, as its evaluation server expects it (an
            entry None: not a class of the data set); None instead of a tuple: 1, 2, ...
        annotations: the annotations of all images and their objects; None for a stream.
        own_image_ids: {image id: the data set's own id} if its ids are not unique 64-bit integers; None: there are no
            ids besides the image ids.
        made_split: {"train": image names, "val": image names} if this package made the split, else None.
        clock: records the seconds that reading ("load") and resampling ("preprocess") take.
        objects: number of objects in all images, without hidden regions; None if only reading them could tell.
        most_objects: largest number of objects in one image, if a stream states it beforehand.
        service_examples: `service_examples(workers=None)` -> examples made by TensorFlow alone for the workers of a
            data service, which divide the files among themselves; no seed fixes their order or their seeds. None if
            Python reads the images.
    """

    name: str
    classes: tuple[str, ...]
    size: int
    examples: Callable[..., tf.data.Dataset]
    image_names: tuple[str, ...] | None = None
    object_counts: np.ndarray | None = None
    fields: Mapping[str, FieldSpec] = dataclasses.field(default_factory=dict)
    task_options: dict = dataclasses.field(default_factory=dict)
    without_empty: Callable[[], "Source"] | None = None
    category_ids: tuple | None = None
    annotations: Annotations | None = None
    own_image_ids: Mapping[int, object] | None = None
    made_split: Mapping[str, Sequence[str]] | None = None
    clock: Clock = dataclasses.field(default_factory=Clock)
    objects: int | None = None
    most_objects: int | None = None
    service_examples: Callable[..., tf.data.Dataset] | None = None

    @property
    def flip_order(self) -> list[int] | None:
        """K indices: keypoint k of a mirrored image is keypoint flip_order[k] of the image; None without a skeleton."""
        return self._skeleton.flip_order if self._skeleton else None

    @property
    def sides_known(self) -> bool:
        """Whether the left and right keypoints are known, as mirroring requires; True without keypoints."""
        return self._skeleton is None or self._skeleton.sides_known

    @property
    def _skeleton(self) -> Skeleton | None:
        skeleton = self.task_options.get("skeleton")
        return Skeleton.of(skeleton) if skeleton else None


def source_from_annotations(
    name: str,
    classes: tuple[str, ...],
    annotations: Annotations,
    load_image: Callable[[int], np.ndarray] | None = None,
    task_options: dict | None = None,
    category_ids: tuple | None = None,
    own_image_ids: Mapping[int, object] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Source:
    """Returns a `Source` over annotations in memory; bad boxes are dropped with counted warnings.

    Args:
        name, classes, task_options, category_ids, own_image_ids: attributes of the `Source`.
        annotations: annotations of readable images.
        load_image: index -> (H, W, 3) uint8; None reads the file at `annotations.image_names[index]`.
        max_pixels: limit for an image that is read from its file.

    Raises:
        UserError: there are no images or no class names.
    """
    _check_not_empty(name, classes, annotations)
    annotations = drop_bad_boxes(annotations)
    clock = Clock()
    load = Loader(load_image or (lambda index: read_image(annotations.image_names[index], max_pixels)), clock)
    of_objects, of_images = _to_tensors(annotations)
    fields = {key: describe(key, of_objects[key]) for key in annotations.fields}
    fields |= {key: describe(key, of_images[key], of_image=True) for key in annotations.image_fields}
    counts = np.diff(annotations.row_splits)
    known = {"task_options": task_options or {}, "category_ids": category_ids, "own_image_ids": own_image_ids}

    def without_empty():
        indices = np.flatnonzero(counts)
        load_kept = load_image and (lambda index: load_image(indices[index]))
        kept = annotations.keep_images(counts > 0)
        return source_from_annotations(name, classes, kept, load_kept, max_pixels=max_pixels, **known)

    return Source(
        name=name,
        classes=tuple(classes),
        size=len(counts),
        examples=functools.partial(_examples, annotations, of_objects, of_images, load),
        image_names=annotations.image_names,
        object_counts=counts,
        fields=fields,
        without_empty=without_empty,
        annotations=annotations,
        clock=clock,
        objects=int(np.sum(~annotations.is_hidden)),
        **known,
    )


def _check_not_empty(name: str, classes: tuple[str, ...], annotations: Annotations) -> None:
    if not annotations.image_names:
        raise UserError(f"{name}: expected at least one image, got an empty split; choose another split.")
    if not classes:
        raise UserError(f"{name}: expected at least one class, got none: no image of it has an object.")


def _examples(
    annotations: Annotations,
    of_objects: dict[str, tf.Tensor],
    of_images: dict[str, tf.Tensor],
    load: "Loader",
    passes: Passes | None = None,
    limit: int | None = None,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Returns the examples that `Source.examples` promises."""
    size = len(annotations.image_names)
    count = size if limit is None else min(limit, size)
    splits = tf.constant(annotations.row_splits)

    def to_example(index):
        image, is_loaded = load(index)
        start = splits[index]
        stop = tf.where(is_loaded, splits[index + 1], start)
        example = {key: values[start:stop] for key, values in of_objects.items()}
        return {"image": image, **example, **{key: values[index] for key, values in of_images.items()}}

    requests = threads_for(annotations.image_names[:1], 0)
    threads = workers or requests or None
    dataset = (passes or in_order(count)).examples(shuffled_indices(count), to_example, threads)
    if requests:  # by default there are only as many threads as cores, and all of them would wait for remote images
        options = tf.data.Options()
        options.threading.private_threadpool_size = max(threads, os.cpu_count())
        dataset = dataset.with_options(options)
    return dataset


def _to_tensors(annotations: Annotations) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Returns ({key: values of all objects}, {key: values of all images}) as tensors; float64 becomes float32."""

    def to_tensor(values):
        values = np.asarray(values)
        return tf.constant(values.astype(np.float32) if values.dtype == np.float64 else values)

    of_objects = {key: getattr(annotations, key) for key in OBJECT_KEYS} | annotations.fields
    of_images = {"image_id": annotations.image_ids} | annotations.image_fields
    return tuple({key: to_tensor(values) for key, values in known.items()} for known in (of_objects, of_images))


class Loader:
    """Loads one image inside a graph and does not fail on unreadable images.

    An image that turns out to be unreadable in the middle of an epoch is counted in a `DataWarning` and replaced by a
    black image without objects, so that the number of batches stays as announced.
    """

    def __init__(self, load_image: Callable[..., np.ndarray], clock: Clock):
        self._load_image, self._clock = load_image, clock
        self._counter = WarningCounter(BECAME_BLACK)

    def __call__(self, *key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns ((H, W, 3) uint8, () bool whether it could be loaded); `key` holds the arguments of `load_image`."""
        image, is_loaded = tf.numpy_function(self._load, key, [tf.uint8, tf.bool], stateful=False)
        return tf.ensure_shape(image, (None, None, 3)), tf.ensure_shape(is_loaded, ())

    def _load(self, *key) -> tuple[np.ndarray, np.bool_]:
        try:
            with self._clock.measure("load"):
                return self._load_image(*key), np.True_
        except UserError as error:
            self._counter.add(str(error))
            return np.zeros((32, 32, 3), np.uint8), np.False_


def load_encoded(clock: Clock) -> Loader:
    """Returns a loader of (name () string, encoded () string), for streams that carry their images; OpenCV decodes.

    EXIF orientation is not applied, because the boxes of such streams ignore it.
    """

    def decode(name: bytes, encoded: bytes) -> np.ndarray:
        return decode_image(encoded, name.decode(errors="replace"), upright=False)

    return Loader(decode, clock)


def size_wh_of(image: tf.Tensor) -> tf.Tensor:
    """Returns (2,) int32 width and height of a (H, W, 3) image.

    Not `tf.shape(image)[1::-1]`: TensorFlow 2.21's graph optimizer prints an error about such slices.
    """
    height, width = tf.unstack(tf.shape(image)[:2])
    return tf.stack([width, height])
