"""read > shuffle > decode > augment > warp > pad > batch > prefetch: `load_dataset`.

The steps are `checks` (of the arguments), `formats` and `source` (reading), `inputs` (augmenting and warping) and
`batches` (padding). `passes` (shuffling, sharding) and `epochs` connect them. With `service`, other machines run them.

A batch is (images, objects). Images are (B, H, W, 3) uint8 RGB in the input's frame. Objects are a dict in which
M = max_objects and padded rows are zero:

| key | shape, dtype | content |
|---|---|---|
| boxes_xyxy | (B, M, 4) float32 | input pixels, not clipped |
| classes | (B, M) int32 | index into `.classes` |
| mask | (B, M) bool | whether the row is an object |
| is_crowd, is_difficult | (B, M) bool | as in the example, see `source.py` |
| areas | (B, M) float32 | square image pixels |
| image_id | (B,) int64 | as in the example |
| image_hw | (B, 2) int32 | original size |
| image_to_input | (B, 2, 3) float32 | matrix from image pixels to input pixels |

and the fields of the source, with positions and vectors in input pixels. The augmentation "zoom_half" adds "is_zoomed"
(B,) bool, and `rotation` adds "is_rotated" (B,) bool.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Collection, Mapping, Sequence

import tensorflow as tf

from keras_centernet.data import checks
from keras_centernet.data.batching.batches import to_batches, warn_of_many
from keras_centernet.data.batching.epochs import Epochs
from keras_centernet.data.batching.gpus import leave_gpus_to_keras
from keras_centernet.data.batching.service import check_data_service
from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.formats.request import MAX_PIXELS, VAL_SHARE
from keras_centernet.data.inputs import Changes, build_test_input, build_training_input
from keras_centernet.data.own.sources import read_own
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError
from keras_centernet.limits import SEED
from keras_centernet.method.specs import FieldSpec, Task
from keras_centernet.tasks.classes import check_name_list
from keras_centernet.tasks.table import task_name, task_row


def load_dataset(
    data: str | os.PathLike | Source | tuple | dict | tf.data.Dataset,
    split: str = "train",
    *,
    # what is read
    task: str | Task | Callable = "detection",
    format: str | None = None,
    annotations: str | os.PathLike | None = None,
    images: str | os.PathLike | None = None,
    classes: tuple[str, ...] | None = None,
    class_map: Mapping[str, str] | None = None,
    ignore_case: bool = False,
    val_share: float = VAL_SHARE,
    holds_out: str | None = None,
    made_split: Mapping[str, Sequence[str]] | None = None,
    max_pixels: int = MAX_PIXELS,
    bounding_box_format: str | None = None,
    empty_images: bool = True,
    limit: int | None = None,
    strict: bool = False,
    # what a batch is
    input_size: int | tuple[int, int] = 512,
    batch_size: int = 16,
    max_objects: int | None = None,
    # training: random changes
    training: bool | None = None,
    augmentation: str | None = None,
    flip: float | None = None,
    rotation: float = 0.0,
    augment: Callable[[dict], dict] | None = None,
    vertical_flip: float = 0.0,
    hsv: tuple[float, float, float] | None = None,
    mosaic: float = 0.0,
    mixup: float = 0.0,
    mosaic_until: int | None = None,
    seed: int = 0,
    # tests: what the network sees
    resize: str = "fit",
    multiple_of: int = checks.INPUT_MULTIPLE,
    scale: float = 1.0,
    # how it is done
    workers: int | None = None,
    deterministic: bool = True,
    shard: tuple[int, int] | None = None,
    data_service: str | None = None,
) -> tf.data.Dataset:
    """Returns labelled images as batches of static shapes for `fit`, `evaluate` and `AveragePrecision`.

    Args:
        data: folder or file of a data set (like every path, possibly a remote one, gs://...), the name of a data set,
            or a `Source`; or data in Python: (images, {"boxes", "labels"}) as arrays or lists, or a tf.data data set of
            such pairs, see `own.labels`. Images can have any sizes.
        split: name of the split: "train", "val", ..., or "all". If the data set has no splits, "train" and "val" are
            made from the names of its images, see `reading.splits`.
        task: key of `TASKS`, a `Task`, or the function that builds it: says what must be known of objects besides their
            boxes, and sets the defaults below. A task of your own has those of its row in `TASKS`, if it has one.
        format: key of `formats.table.FORMATS`, whose rows say which files each format needs; None detects the format.
        annotations: path of the annotations, if not in their usual place; the format's row says what it can be.
        images: folder of the images, if not in its usual place.
        classes: names in the order that the model uses, for instance `train.classes` when loading "val";
            None takes the classes of the data. Objects of other classes are left out, with a warning that counts them.
        class_map: {name in the data: name to use instead}; several names can be mapped to one.
        ignore_case: whether class names that differ only in upper and lower case are the same.
        val_share: share of the images that go into a "val" made here; 0: no split is made, every split is all images.
        holds_out: name of a split of the data from which "val" is held out; "train" is the rest of that split.
        made_split: {"train": names, "val": names}, the `.source.made_split` of an earlier load; None makes the split.
        max_pixels: images whose header promises more pixels are skipped before they are decoded.
        bounding_box_format: format of "boxes" in Python: "xyxy" (None), "yxyx", "xywh", "center_xywh", "rel_xyxy"
            (fractions of the image), ..., as in Keras.
        empty_images: whether training includes images without objects; evaluation always does. As published: True,
            except for poses.
        limit: use only the first `limit` images.
        strict: stop at the first missing or unreadable image instead of skipping it with a warning; every
            image is then decoded once before the first epoch.
        input_size: pixels of the network's input, one number or (height, width), multiples of 32.
        batch_size: images in a batch.
        max_objects: rows that objects are padded to; if an image has more objects, the largest are kept. None: the
            task's usual number.
        training: whether to shuffle, augment and drop the last partial batch; None: only if the split's name starts
            with "train".
        augmentation: in training, "crop" (published random crop), "shift" (published random scale and
            shift), "zoom_half" (published for 3D) or "none" (letterbox). None: the task's usual one.
        flip: probability of mirroring left to right in training. None: the task's usual one, or 0 if the names of the
            keypoints do not tell left from right.
        rotation: standard deviation, in degrees, of the random rotation of half of the training images. Only for tasks
            with keypoints; they learn nothing but the keypoints' positions from rotated images. As published: 0.
        augment: your own random change in training, in image pixels: a function from an example to the values that it
            changes, see `source.py` and `changes/own.py`. `in_numpy` makes one from a function of NumPy arrays.
        vertical_flip: probability of mirroring top to bottom in training.
        hsv: largest rotation of the hue (1 is the full circle) and largest relative changes of saturation and value in
            training, usually (0.015, 0.7, 0.4); None: no such changes.
        mosaic: probability that a training image is made of four, see `changes/mixing.py`; each mosaic reads three
            more images.
        mixup: probability that a training image is the mean of two.
        mosaic_until: number of the first epoch without mosaic and MixUp, as numbered by `for_epochs`.
        seed: seed of order and augmentation. Passes differ from each other; runs with the same seed are the same.
        resize: how images are brought to the network's size outside training: "fit" (into `input_size`) or "keep"
            (original size with a black border; `input_size` is not used, and the images of one batch share a size that
            differs between batches). As published: "keep" for COCO.
        multiple_of: for "keep": both sides become multiples of this power of two: 32, or 128 for the hourglass.
        scale: factor of the images' size outside training, for tests at several scales.
        workers: images that are read at the same time; None lets tf.data choose.
        deterministic: whether order and augmentation depend only on `seed` and epoch; False takes the image that is
            ready first, which is faster if files are slow.
        shard: (n, i): only the i-th of n equal shards of each pass, for n processes with the same seed. Their k-th
            batches, concatenated, are the k-th batch of one process with n times the batch size. (Outside training, the
            images of that batch come in another order.)
        data_service: address "grpc://host:port" of a tf.data service whose workers read, augment and warp in TensorFlow
            alone (only for training on records), in an order that no seed fixes. Pixels differ by rounding.

    Returns:
        A dataset of (images, objects) as described at the top of this file, with the attributes `.classes` (names),
        `.task_options` (what the data says about the task, such as its skeleton, for `CenterNet`) and `.source`. Each
        pass over a training set has a new order and new augmentation. Its `.for_epochs(first, stop, skip=0,
        steps=None)` returns the batches of the epochs first to stop - 1 without the first `skip` batches, which are
        not read. Epoch k is the same whichever epoch is the first. If `fit` gets `steps_per_epoch` and that is less
        than all batches, pass the same number as `steps`. (`skip` must be 0 if no seed fixes the order.)

    Raises:
        UserError: an argument or the data is not as expected; the message says what to do.

    Examples:
        >>> val = load_dataset("shapes", split="val", input_size=64, batch_size=8, limit=8)
        >>> images, objects = next(iter(val))
        >>> images.shape, objects["boxes_xyxy"].shape
        (TensorShape([8, 64, 64, 3]), TensorShape([8, 128, 4]))
    """
    leave_gpus_to_keras()
    row = task_row(task)
    training = split.startswith("train") if training is None else training
    max_objects = row.max_objects if max_objects is None else max_objects
    augmentation = row.augmentation if augmentation is None else augmentation
    is_usual_flip, flip = flip is None, row.flip if flip is None else flip
    input_hw = checks.check_input_size(input_size)
    checks.check_counts(batch_size=batch_size, max_objects=max_objects, limit=limit, workers=workers)
    changes = Changes(augmentation, flip, rotation, augment, vertical_flip, hsv, mosaic, mixup)
    checks.check_changes(changes, mosaic_until, task, row)
    checks.check_view(resize, multiple_of, scale)
    checks.check_val_share(val_share)
    checks.check_counts(max_pixels=max_pixels)
    SEED.check("seed", seed)

    options = {"annotations": annotations, "images": images, "classes": classes, "strict": strict}
    options |= {"class_map": class_map or {}, "ignore_case": ignore_case, "max_pixels": max_pixels}
    options |= {"val_share": val_share, "holds_out": holds_out, "made_split": made_split}
    source = _open(data, split, row.fields, format, bounding_box_format, options)
    _check_known(source, row.fields, task_name(task))
    if training and not empty_images:
        source = _without_empty(source)
    size = source.size if limit is None else min(limit, source.size)
    shard = checks.check_shard(shard or (1, 0), size)
    _check_work(source, changes if training else None, limit, shard, deterministic, data_service)

    if training:
        if is_usual_flip:
            changes = dataclasses.replace(changes, flip=checks.safe_flip(flip, source))
        batch_size = checks.fit_batch(batch_size, size // shard[0], source)
        to_input, mix = build_training_input(source, input_hw, changes, is_tensor=bool(data_service))
    else:
        to_input, mix = build_test_input(source, input_hw, resize, multiple_of, scale), None
    batching = functools.partial(
        to_batches,
        batch_size=batch_size,
        max_objects=max_objects,
        input_hw=None if resize == "keep" and not training else input_hw,
        drop_remainder=training,
        fields=source.fields,
        too_many=warn_of_many(source, max_objects, size, is_mixed=mix is not None),
    )
    work = {"workers": workers, "deterministic": deterministic, "shard": shard, "data_service": data_service}
    work |= {"mix": mix, "mosaic_until": mosaic_until}
    epochs = Epochs(source, size, batch_size, to_input, batching, seed, limit, **work)
    return epochs.for_training() if training else epochs.in_order()


def _open(
    data,
    split: str,
    fields: Mapping[str, FieldSpec],
    format: str | None,
    bounding_box_format: str | None,
    options: Mapping,
) -> Source:
    """Returns the source of data that is named by a path, held in Python, or a `Source` already."""
    classes = options["classes"]
    check_name_list(classes)
    if not isinstance(data, Source | str | os.PathLike):
        files = {"format": format, "annotations": options["annotations"], "images": options["images"]}
        data = read_own(data, split, classes, bounding_box_format, fields, **files)
    elif bounding_box_format is not None:
        problem = f"expected None with files, whose format says it, got {bounding_box_format!r}; remove it."
        raise UserError(f"bounding_box_format: {problem}")
    if not isinstance(data, Source):
        return read_source(data, split, format, tuple(fields), **options)
    if classes is not None and tuple(classes) != data.classes:
        expected = f"those of the source, {list(data.classes)}"
        raise UserError(f"classes: expected {expected}, got {list(classes)}; order them where the source is made.")
    return data


def _check_known(source: Source, fields: Collection[str], task: str) -> None:
    """Raises unless the source has the fields that the task needs."""
    missing = [field for field in fields if field not in source.fields]
    if missing:
        raise UserError(f"{source.name}: expected objects with {', '.join(missing)} for task {task}; it has none.")


def _without_empty(source: Source) -> Source:
    """Returns the source without the images that have no objects."""
    if source.without_empty is None:
        problem = "is a stream, which does not know its empty images beforehand; expected True, got False."
        raise UserError(f"empty_images: {source.name} {problem}")
    return dataclasses.replace(source.without_empty(), made_split=source.made_split)


def _check_work(
    source: Source,
    changes: Changes | None,
    limit: int | None,
    shard: tuple[int, int],
    deterministic: bool,
    data_service: str | None,
) -> None:
    """Raises unless images can be mixed, sharded and read by a service or in any order; `changes` is for training."""
    if changes is not None:
        checks.check_mixing(changes, source, data_service)
    if data_service:
        check_data_service(data_service, source, changes is not None, limit, shard)
    if not deterministic:
        checks.check_no_order("deterministic=False", shard=shard)
