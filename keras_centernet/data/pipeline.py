"""read > shuffle > decode > augment > warp > pad > batch > prefetch: `load_dataset`.

A batch is (images, objects). Images are (B, H, W, 3) uint8 RGB in the input's frame; objects is a dict,
M = max_objects, in which padded rows are zero:

| key | shape, dtype | content |
|---|---|---|
| boxes_xyxy | (B, M, 4) float32 | input pixels, not clipped |
| classes | (B, M) int32 | index into `.classes` |
| mask | (B, M) bool | whether the row is an object |
| is_crowd, is_difficult | (B, M) bool | as in the example, see `source.py` |
| areas | (B, M) float32 | square image pixels |
| image_id | (B,) int64 | as in the example |
| image_hw | (B, 2) int32 | original size |
| image_to_input | (B, 2, 3) float32 | where image pixels went |

and the further fields of the examples that `source.py` lists, places in input pixels; "is_zoomed" (B,)
bool with the augmentation "zoom_half", "is_rotated" (B,) bool with `rotation`.
"""

import os
import warnings

import numpy as np
import tensorflow as tf

from keras_centernet.data import augment, tensor_warp
from keras_centernet.data.counting import Tally, warn_counted
from keras_centernet.data.data_service import check_data_service, check_tensor_source, distribute
from keras_centernet.data.formats import read_source
from keras_centernet.data.source import Source
from keras_centernet.data.tfrecord import any_seed
from keras_centernet.errors import DataWarning, UserError
from keras_centernet.network import look_up
from keras_centernet.tasks import TASKS

INPUT_MULTIPLE = 32
AUGMENTATIONS = {
    "crop": augment.random_crop,
    "shift": augment.random_shift_scale,
    "zoom_half": augment.zoom_half,
    "none": augment.letterbox,
}
NOT_IN_OBJECTS = ("image", "seed")


def load_dataset(
    data: str | os.PathLike | Source,
    split: str = "train",
    *,
    task: str = "detection",
    format: str | None = None,
    annotations: str | os.PathLike | None = None,
    images: str | os.PathLike | None = None,
    classes: tuple[str, ...] | None = None,
    input_size: int | tuple[int, int] = 512,
    batch_size: int = 16,
    training: bool | None = None,
    max_objects: int | None = None,
    augmentation: str | None = None,
    flip: float | None = None,
    rotation: float = 0.0,
    seed: int = 0,
    strict: bool = False,
    limit: int | None = None,
    workers: int | None = None,
    deterministic: bool = True,
    pure_tf: bool = False,
    data_service: str | None = None,
) -> tf.data.Dataset:
    """Returns labelled pictures as batches of static shapes for `fit`, `evaluate` and `AveragePrecision`.

    Args:
        data: folder or file of a data set, "shapes", a TensorFlow Datasets name such as "coco/2017", or
            a `Source`.
        split: name of the split: "train", "val", ...
        task: key of `TASKS`: what the objects must know besides their box, and the defaults below.
        format: "voc", "coco", "yolo", "kitti", "tfds", "tfrecord" or "shapes"; None finds it out.
        annotations: COCO's JSON file, VOC's folder of XML files or a label map of records, where they are not
            in their usual place.
        images: folder of the pictures, likewise.
        classes: names in the order that the model uses, for instance `train.classes` when loading "val";
            None takes those of the data.
        input_size: pixels of the network's input, one number or (height, width), multiples of 32.
        batch_size: images in a batch.
        training: whether to shuffle, augment and drop the last partial batch; None: for splits whose
            name starts with "train".
        max_objects: rows that objects are padded to; of more objects the largest are kept. None: the
            task's usual number (128; 3D 50, pose 32).
        augmentation: in training, "crop" (published random crop), "shift" (published random scale and
            shift), "zoom_half" (published for 3D) or "none" (letterbox). None: the task's usual one.
        flip: probability of mirroring in training. None: the task's usual one.
        rotation: degrees by which half of the training pictures are turned (standard deviation); only for tasks
            with joints, which learn nothing but the joints' places from them. As published: 0.
        seed: of order and augmentation; each epoch differs, each run with one seed is the same.
        strict: stop at the first missing or unreadable image instead of skipping it with a warning; every
            picture is then decoded once before the first epoch.
        limit: use only the first so many images.
        workers: pictures that are read at the same time; None lets tf.data choose.
        deterministic: whether order and augmentation are a function of `seed` and epoch; False takes what is
            ready first, which is faster where files are slow.
        pure_tf: decode and warp by TensorFlow alone (records only), for pipelines that must run without this
            process' Python; slower than OpenCV, pixels differ by rounding.
        data_service: address "grpc://host:port" of a tf.data service whose workers read, augment and warp
            (training on records only); implies `pure_tf`, and an order that no seed fixes.

    Returns:
        A dataset of (images, objects) as described at the top of this file, with the attributes
        `.classes` (names), `.task_options` (what the data say about the task, such as its skeleton, for
        `CenterNet`) and `.source`.

    Raises:
        UserError: an argument or the data is not what it should be; the line says what to do.

    Example:
        >>> val = load_dataset("shapes", split="val", input_size=64, batch_size=8, limit=8)
        >>> images, objects = next(iter(val))
        >>> images.shape, objects["boxes_xyxy"].shape
        (TensorShape([8, 64, 64, 3]), TensorShape([8, 128, 4]))
    """
    row = look_up(TASKS, task, "task")
    max_objects = row.max_objects if max_objects is None else max_objects
    augmentation = row.augmentation if augmentation is None else augmentation
    flip = row.flip if flip is None else flip
    input_hw = _check_input_size(input_size)
    _check_counts(batch_size=batch_size, max_objects=max_objects, limit=limit, workers=workers)
    if augmentation not in AUGMENTATIONS:
        raise UserError(f"augmentation: expected one of {', '.join(AUGMENTATIONS)}, got {augmentation!r}.")
    if not 0 <= flip <= 1:
        raise UserError(f"flip: expected a probability from 0 to 1, got {flip!r}.")
    places = {"annotations": annotations, "images": images, "classes": classes, "strict": strict}
    if rotation and "keypoints_xyv" not in row.fields:
        raise UserError(
            f"rotation: expected 0 for task {task}, whose boxes do not turn with a picture, got {rotation!r}."
        )
    is_source = isinstance(data, Source)
    source = _check_source(data, classes) if is_source else read_source(data, split, format, row.fields, **places)
    missing = [field for field in row.fields if field not in source.fields]
    if missing:
        raise UserError(f"{source.name}: expected objects with {', '.join(missing)} for task {task}; it has none.")
    training = split.startswith("train") if training is None else training
    if pure_tf or data_service:
        check_tensor_source(source)
    if data_service:
        check_data_service(data_service, training, limit)
    size = source.size if limit is None else min(limit, source.size)
    batch_size = _fit_batch(batch_size, size, source) if training else batch_size
    _warn_of_many(source, max_objects, size)

    order = {"shuffle": training, "seed": seed, "limit": limit, "workers": workers}
    how = {"movers": source.movers}
    if pure_tf or data_service:
        examples = source.tensor_examples(**order, on_service=bool(data_service))
        how = {"movers": source.tensor_movers, "resample": tensor_warp.resample}
    else:
        examples = source.examples(**order)
    place = AUGMENTATIONS[augmentation] if training else augment.letterbox
    changes = {"flip": flip, "rotation": rotation} if training else {"flip": 0, "rotation": 0}
    inputs = _to_inputs(
        examples, place, input_hw, **changes, seed=None if data_service else seed, workers=workers, **how
    )
    inputs = distribute(inputs, data_service) if data_service else inputs
    is_counted = source.object_counts is not None or source.most_objects is not None
    too_many = None if is_counted else Tally(_TOO_MANY.format(max_objects))
    pairs = inputs.map(lambda example: split_example(example, max_objects, too_many))
    shapes = tf.nest.map_structure(_padded_shape(max_objects), pairs.element_spec)
    dataset = pairs.padded_batch(batch_size, shapes, drop_remainder=training)
    if data_service:  # what a worker took with it when it died is made up for from the next epoch
        dataset = dataset.repeat().take(size // batch_size)
    dataset = dataset.prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.deterministic = deterministic
    dataset = dataset.with_options(options)
    dataset.classes, dataset.task_options, dataset.source = source.classes, source.task_options, source
    return dataset


def _to_inputs(
    examples: tf.data.Dataset,
    place,
    input_hw: tuple,
    *,
    flip: float,
    rotation: float,
    seed: int | None,
    workers,
    movers: dict,
    resample=None,
) -> tf.data.Dataset:
    """Returns the examples in the input's frame; each has random numbers of its own, new in each epoch.

    Without a seed each example draws its own: for workers of a service, which would all draw the same.
    """

    def to_input(example, seed):
        example = place({**example, "seed": seed}, input_hw)
        example = augment.random_flip(example, input_hw, flip) if flip else example
        example = augment.random_rotation(example, input_hw, rotation) if rotation else example
        return augment.warp(example, input_hw, movers, resample)

    if seed is None:
        return examples.map(
            lambda example: to_input(example, any_seed()), num_parallel_calls=workers or tf.data.AUTOTUNE
        )
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
    return tf.data.Dataset.zip(examples, seeds).map(to_input, num_parallel_calls=workers or tf.data.AUTOTUNE)


def split_example(example: dict, max_objects: int, too_many: Tally | None = None) -> tuple[tf.Tensor, dict]:
    """Returns (image, objects) of one warped example; objects have up to `max_objects` rows.

    Args:
        example: after `augment.warp`.
        max_objects: M; of more objects the largest (by box in the input) are kept, in their order.
        too_many: counts examples with more objects, or None where they were counted before.
    """
    count = tf.shape(example["classes"])[0]
    if too_many is not None:
        too_many.add_if(count > max_objects, tf.strings.as_string(example["image_id"]))
    sizes_wh = example["boxes_xyxy"][:, 2:] - example["boxes_xyxy"][:, :2]
    largest = tf.cond(
        count > max_objects,
        lambda: tf.sort(tf.math.top_k(sizes_wh[:, 0] * sizes_wh[:, 1], max_objects).indices),
        lambda: tf.range(count),
    )
    example = augment.keep_objects(example, largest)
    objects = {key: values for key, values in example.items() if key not in NOT_IN_OBJECTS}
    objects["mask"] = tf.ones_like(example["classes"], tf.bool)
    objects["image_to_input"] = tf.cast(example["image_to_input"], tf.float32)
    return example["image"], objects


def _padded_shape(max_objects: int):
    """Returns the function from a tensor's spec to its shape with `max_objects` in place of the open side."""
    return lambda spec: [max_objects if side is None else side for side in spec.shape]


def _check_source(source: Source, classes: tuple[str, ...] | None) -> Source:
    if classes is not None and tuple(classes) != source.classes:
        raise UserError(
            f"classes: expected those of the source, {list(source.classes)}, got {list(classes)}; order them where "
            "the source is made."
        )
    return source


def _check_input_size(input_size: int | tuple[int, int]) -> tuple[int, int]:
    sides = (input_size, input_size) if np.ndim(input_size) == 0 else tuple(input_size)
    if len(sides) != 2 or any(not _is_whole(side) or side < 1 or side % INPUT_MULTIPLE for side in sides):
        raise UserError(
            f"input_size: expected one number or (height, width), positive multiples of {INPUT_MULTIPLE}, "
            f"got {input_size!r}; try {_nearest_sizes(sides)}."
        )
    return tuple(int(side) for side in sides)


def _nearest_sizes(sides: tuple) -> str:
    nearest = [
        max(INPUT_MULTIPLE, round(side / INPUT_MULTIPLE) * INPUT_MULTIPLE)
        for side in sides
        if isinstance(side, int | float)
    ]
    if len(nearest) != 2:
        return "512"
    return str(nearest[0]) if nearest[0] == nearest[1] else str(tuple(nearest))


def _check_counts(**counts: int | None) -> None:
    for name, count in counts.items():
        is_optional = name in ("limit", "workers")
        if not (is_optional and count is None) and (not _is_whole(count) or count < 1):
            raise UserError(f"{name}: expected a whole number of at least 1, got {count!r}.")


def _is_whole(value) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _fit_batch(batch_size: int, size: int, source: Source) -> int:
    if size >= batch_size:
        return batch_size
    warnings.warn(
        DataWarning(
            f"{source.name}: batch_size {batch_size} is more than its {size} images; the batch is the whole "
            f"data set. Pass a batch_size of at most {size}."
        ),
        stacklevel=3,
    )
    return size


_TOO_MANY = "image(s) with more than max_objects = {} objects, only the largest are kept (raise max_objects)"


def _warn_of_many(source: Source, max_objects: int, size: int) -> None:
    if source.object_counts is not None:
        crowded = np.flatnonzero(source.object_counts[:size] > max_objects)
        names = [f"{source.image_names[i]} with {source.object_counts[i]}" for i in crowded]
        warn_counted(names, _TOO_MANY.format(max_objects))
    elif source.most_objects is not None and source.most_objects > max_objects:
        what = f"{source.name}: images with up to {source.most_objects} objects, more than max_objects = {max_objects}"
        warnings.warn(DataWarning(f"{what}; only the largest are kept (raise max_objects)"), stacklevel=3)
