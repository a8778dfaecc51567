"""CenterNet: a network, a task, and the objective that trains one for the other."""

import contextlib
import os
import types

import keras

from keras_centernet.errors import UserError, look_up
from keras_centernet.fitting import layer_selection
from keras_centernet.fitting.ema import WeightAverage
from keras_centernet.fitting.nonfinite import StopOnNonFiniteLoss
from keras_centernet.fitting.objective import DIVISORS, divide, head_losses, weighted_sum
from keras_centernet.fitting.optimizers import PartwiseAdam  # noqa: F401 Keras must know it before it reads a file with it
from keras_centernet.fitting.replicas import LOSS_MEANS, ReplicaSeeds, UnsavedMean, sum_over_replicas, with_axis
from keras_centernet.geometry import to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.method.specs import Task
from keras_centernet.method.targets import encode_targets
from keras_centernet.networks import normalization as images_to_inputs
from keras_centernet.networks.build import build_network, check_input_size, dtype_scope
from keras_centernet.networks.table import find_backbone
from keras_centernet.tasks.table import find_task, with_losses
from keras_centernet.weights.imagenet import load_imagenet
from keras_centernet.weights.load import load_weights, read_model_file

PUBLISHED_LEARNING_RATE = 1.25e-4  # As published: for 32 images a step, grows with the batch
PUBLISHED_EPSILON = 1e-8  # PyTorch's Adam; Keras' default is 1e-7


@keras.saving.register_keras_serializable(package="keras_centernet")
class CenterNet(keras.Model):
    """A detector that finds objects as points.

    `model(images)` gives the raw head maps; `model.detect(...)` gives boxes in original pixels; `compile` and `fit`
    train it on what `load_dataset` yields.

    Args:
        backbone: key of `BACKBONES`, such as "mobilenet_v2"; or a Keras model of images of open size with several
            outputs of strides 4 to 32, which get a light path back up, or one output of stride 4, which is used as it
            is; or a function of symbolic images that returns such maps.
        task: key of `TASKS`, such as "detection"; or a function (classes, **task_options) -> `Task`; or a `Task`.
        num_classes: number of classes, named "0", "1", ...; give `classes` or this, not both.
        classes: names of the classes. Neither: the task's default ones (COCO's 80 for detection).
        weights: file to start from: written by `model.save` or `model.save_weights`, or a published
            checkpoint (`.pth`, `.safetensors`).
        backbone_weights: of the backbone: None (random), "imagenet" (the MobileNets, downloaded by
            keras.applications), or a file (torchvision's ResNets, DLA-34).
        input_size: side, or (height, width), that images are letterboxed to; a multiple of 32. The
            network itself is fully convolutional and takes other sizes too.
        task_options: further arguments of the task, such as {"radius": "geometric"}.
        normalization: key of `NORMALIZATIONS`, None: the backbone's ("imagenet" for one of a user's own). Published
            weights for VOC and KITTI want "published_voc_kitti".
        head_losses: {head: key of `LOSSES`, or a function as `HeadSpec.loss`} where other than the task's.
        loss_weights: {head: factor of its loss in the sum} where other than the task's.
        name: of the Keras model.
        **kwargs: of `keras.Model`, such as dtype="mixed_bfloat16".

    Raises:
        UserError: an unknown name, contradictory classes, or a size that the backbone cannot take.

    Example:
        >>> model = CenterNet("mobilenet_v2", classes=["cat", "dog"], input_size=64)
        >>> model.classes
        ('cat', 'dog')
    """

    def __init__(
        self,
        backbone,
        task="detection",
        num_classes: int | None = None,
        classes: tuple[str, ...] | list[str] | None = None,
        weights: str | None = None,
        backbone_weights: str | None = None,
        input_size: int | tuple[int, int] = 512,
        task_options: dict | None = None,
        normalization: str | None = None,
        head_losses: dict | None = None,
        loss_weights: dict | None = None,
        name: str = "centernet",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.task = with_losses(find_task(task, classes, num_classes, task_options), head_losses, loss_weights)
        self.task_options = dict(task_options or self.task.options)
        self.classes = self.task.classes
        with dtype_scope(self.dtype_policy):
            self.backbone_name, self.backbone_row = find_backbone(backbone)
            self.input_size = check_input_size(input_size, self.backbone_row.multiple_of, self.backbone_name)
            self.normalization = normalization or self.backbone_row.normalization
            look_up(images_to_inputs.NORMALIZATIONS, self.normalization, "normalization")
            self.network = build_network(self.backbone_row, self.task, name=self.backbone_name)
        # Not a dict: Keras would track, and save, a backbone in it a second time.
        self._given = types.SimpleNamespace(backbone=backbone, task=task, head_losses=head_losses)
        self._loss_weights = loss_weights
        self._seeds = ReplicaSeeds()
        self._running_means = {"loss": UnsavedMean("loss")}
        self._running_means |= {head.name: UnsavedMean(f"{head.name}_loss") for head in self.task.heads}
        self._color_augmentation = True
        self.loss_mean, self.accumulate = "global_batch", 1
        self._latest = types.SimpleNamespace(losses_by_head={})
        self.average = self._predictor = None
        self.build(None)
        if backbone_weights:
            load_imagenet(self.network, self.backbone_row, self.task, backbone_weights)
        if weights:
            load_weights(self, weights)

    def build(self, input_shape=None):
        """Nothing is left to build: the network is functional and has its weights already."""
        self.built = True

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build; Keras would average a batch over replicas for it, which masks (bool) refuse."""

    def call(self, images, training=False):
        """Returns {head name: (B, H / 4, W / 4, channels) float32 raw map} of the last stack.

        Args:
            images: (B, H, W, 3) RGB in 0..255, uint8 or float; normalisation happens inside.
            training: whether batch normalisation uses the batch.
        """
        return self.stacks(self.normalize(images), training)[-1]

    def normalize(self, images):
        """Returns what the network takes of images (B, H, W, 3) in 0..255."""
        return images_to_inputs.normalize(images, self.normalization, self.compute_dtype)

    def augment_and_normalize(self, images):
        """Returns the same with the published colour changes, where training has them."""
        if not self._color_augmentation:
            return self.normalize(images)
        return images_to_inputs.augment_and_normalize(images, self.normalization, self._seeds, self.compute_dtype)

    def stacks(self, inputs, training: bool = False) -> list[dict]:
        """Returns the head maps of every stack, of normalised images."""
        stacks = self.network(inputs, training=training)
        return stacks if isinstance(stacks, list) else [stacks]  # Keras unwraps a list of one

    @property
    def backbone(self):
        """The backbone as it was given: a key of `BACKBONES`, a Keras model or a function."""
        return self._given.backbone

    @property
    def input(self):
        """The symbolic input of the network: normalised images."""
        return self.network.input

    @property
    def output(self):
        """The symbolic head maps of the network."""
        return self.network.output

    def summary(self, *args, **kwargs):
        """Prints the layers of the network, as `keras.Model.summary` does."""
        return self.network.summary(*args, **kwargs)

    # -- training

    def compile(
        self,
        optimizer=None,
        color_augmentation: bool = True,
        average_decay: float | None = None,
        loss_mean: str = "global_batch",
        accumulate: int = 1,
        freeze: str | tuple[str, ...] | None = None,
        **kwargs,
    ):
        """Prepares for `fit`.

        Args:
            optimizer: Keras optimizer or its name; None: the published Adam (1.25e-4, epsilon 1e-8).
            color_augmentation: whether training images get the published colour changes.
            average_decay: None, or the decay (such as 0.9998) of a running average of all weights. The
                average is what `evaluate` measures during `fit` and what the model holds after it.
            loss_mean: key of `replicas.LOSS_MEANS`, what losses are averaged over where several devices share a
                batch: the objects of the "global_batch", as a single device would, or those of each "replica", as
                published for several GPUs. Model and optimizer must be made in the strategy's scope.
            accumulate: number of micro-batches that each batch is trained in, one after the other, for one step of the
                optimizer: the memory of a micro-batch, the gradients of the whole batch. The batch size (of each
                device) is a multiple of it; batch normalisation sees micro-batches.
            freeze: layers that keep their weights: "backbone" or patterns of layers' names, see
                `layer_selection.freeze`; None leaves every layer's `trainable` as it is.
            **kwargs: of `keras.Model.compile` (run_eagerly, jit_compile, steps_per_execution...). The
                losses belong to the task: `loss`, `metrics` and `loss_weights` are refused.
        """
        for argument in ("loss", "metrics", "loss_weights"):
            if kwargs.get(argument) is not None:
                raise UserError(
                    f"compile({argument}=...): a CenterNet brings its own losses; expected None, got "
                    f"{kwargs[argument]!r}. Remove it, or give head_losses and loss_weights to CenterNet."
                )
        if optimizer is None:
            optimizer = keras.optimizers.Adam(PUBLISHED_LEARNING_RATE, epsilon=PUBLISHED_EPSILON)
        look_up(LOSS_MEANS, loss_mean, "loss_mean")
        if accumulate < 1:
            raise UserError(f"accumulate: expected a positive number of micro-batches, got {accumulate}.")
        freeze = (freeze,) if isinstance(freeze, str) else freeze
        if freeze is not None:
            layer_selection.freeze(self.network, freeze, self.backbone_row.backbone_layers)
        self._color_augmentation, self._freeze = color_augmentation, freeze
        self.loss_mean, self.accumulate = loss_mean, accumulate
        self._average_decay = average_decay
        self.average = WeightAverage(self.network.variables, average_decay) if average_decay else None
        super().compile(optimizer=optimizer, **kwargs)
        # Built now, so that the first training step is traced once and not twice.
        self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        """Returns what `compile` was called with, for saving."""
        config = super().get_compile_config()
        if not config:  # never compiled
            return config
        return config | {
            "color_augmentation": self._color_augmentation,
            "average_decay": self._average_decay,
            "loss_mean": self.loss_mean,
            "accumulate": self.accumulate,
            "freeze": self._freeze if self._freeze is None else list(self._freeze),
        }

    def compile_from_config(self, config):
        """Compiles a loaded model as the saved one was, with its optimizer's state."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self):
        """The loss and its parts by head, as running means."""
        return list(self._running_means.values())

    def fit(self, *args, callbacks=None, **kwargs):
        """Trains as `keras.Model.fit` does, and stops with a clear error at the first non-finite loss."""
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [StopOnNonFiniteLoss(), *(callbacks or [])]
        kwargs.setdefault("shuffle", False)  # load_dataset shuffles; Keras would warn that it cannot
        history = super().fit(*args, callbacks=callbacks, **kwargs)
        if self.average:
            self.average.finish()
        return history

    def evaluate(self, *args, **kwargs):
        """Returns the losses as `keras.Model.evaluate` does, of the averaged weights if there are any.

        For average precision see `keras_centernet.evaluate`.
        """
        with self.averaged():
            return super().evaluate(*args, **kwargs)

    def averaged(self):
        """Returns a context in which the model holds its averaged weights, if it keeps any."""
        return self.average.swapped() if self.average else contextlib.nullcontext()

    def train_step(self, data):
        """Renders the targets, sums `compute_loss` over micro-batches, updates the weights and returns the metrics."""
        from keras_centernet.fitting.tensorflow_step import train_step

        return train_step(self, *_images_and_objects(data))

    def test_step(self, data):
        """Returns the same metrics as `train_step` without augmentation and without an update."""
        images, objects = _images_and_objects(data)
        loss = self.compute_loss(images, objects, self.stacks(self.normalize(images)), training=False)
        self.record(loss, self.losses_by_head)
        return with_axis(self.get_metrics_result())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the weighted sum of the heads' losses: what every step makes smaller.

        A subclass may add to it. Where micro-batches or replicas share a batch, each call returns its share: the shares
        add up to the loss of the batch.

        Args:
            x: not used.
            y: padded objects as `load_dataset` yields them, or targets that `encode` made.
            y_pred: head maps of one stack, or a list of them; every term is averaged over the stacks.
            sample_weight: must be None; the masks of the objects take its place.
            training: not used.

        Returns:
            float32 scalar. `losses_by_head` then holds its terms {head: scalar}, without their weights.

        Raises:
            UserError: there are sample weights.
        """
        _refuse_weights(sample_weight)
        stacks = y_pred if isinstance(y_pred, list | tuple) else [y_pred]
        targets = self.encode(y, tuple(stacks[0][self.task.center_heatmap.name].shape[1:3]))
        losses = head_losses(self.task, stacks, targets)
        divisors = targets.get(DIVISORS) or LOSS_MEANS[self.loss_mean]({name: n for name, (_, n) in losses.items()})
        self._latest.losses_by_head = divide(losses, divisors)
        return weighted_sum(self.task, self.losses_by_head)

    @property
    def losses_by_head(self) -> dict:
        """{head: loss} of the latest `compute_loss`, for the step that called it."""
        return self._latest.losses_by_head

    def encode(self, objects: dict, map_hw: tuple[int, int]) -> dict:
        """Returns the targets of padded objects; what are targets already stays as it is."""
        return objects if "center_index" in objects else encode_targets(self.task, objects, map_hw)

    def record(self, loss, losses_by_head: dict) -> None:
        """Adds a step's loss and its terms to the running means, those of all replicas together."""
        values = sum_over_replicas({"loss": loss, **losses_by_head})
        for name, value in values.items():
            self._running_means[name].update_state(value)

    # -- detection

    @property
    def predictor(self):
        """The `Predictor` that detects with this model."""
        from keras_centernet.predictor import Predictor

        self._predictor = self._predictor or Predictor(self)
        return self._predictor

    def detect(self, images, calibration=None, threshold: float = 0.3, top_k: int = 100, batch_size: int = 8) -> list:
        """Returns one `Detections` per image, in its original pixels.

        Args:
            images: a list of paths, (H, W, 3) or (H, W) uint8 arrays (RGB) or PIL images of any sizes,
                or a single one of them.
            calibration: for 3D: (3, 4) projection or (3, 3) intrinsics of the camera, or a list of one per image.
            threshold: lowest score that is kept.
            top_k: how many peaks are read from the heatmap.
            batch_size: how many images go through the network together.

        Example:
            >>> import numpy as np
            >>> model = CenterNet("mobilenet_v2", num_classes=2, input_size=64)
            >>> len(model.detect([np.zeros((40, 60, 3), "uint8")], threshold=0.99)[0])
            0
        """
        return self.predictor.detect(images, calibration, threshold, top_k, batch_size)

    def detect_batch(self, images, top_k: int = 100, flip: bool = False) -> dict:
        """Returns the decoded detections of images that already have the input's size.

        Runs graphs that are traced once per input shape (see `predictor`); never the fixed cost of `predict`.

        Args:
            images: (B, H, W, 3) uint8 or float RGB in 0..255.
            top_k: K.
            flip: whether the maps are averaged with those of the mirrored images: better by one to two points
                of AP, at twice the cost.

        Returns:
            "boxes_xyxy" (B, K, 4) in input pixels, "scores" (B, K), "classes" (B, K) and what else the
            task decodes, as tensors.
        """
        return self.predictor.detect_batch(images, top_k, flip)

    def decoded(self, images, top_k: int = 100) -> dict:
        """Returns detections of a batch, positions in input pixels: network and decoding as plain ops."""
        return to_input_frame(decode(self.task, self(images, training=False), top_k))

    # -- saving

    def export(self, filepath, format: str | None = None, **options):
        """Writes a file that runs without this package; returns what `exporting.export_model` returns.

        Args:
            filepath: "detector.tflite", "detector.onnx", or a folder without suffix for a SavedModel.
            format: key of `exporting.FORMATS` or Keras' name of it, where the suffix does not say it.
            **options: of the format, such as `precision="int8", calibration="photos/"` or `top_k=20`.
        """
        from keras_centernet.exporting import export_model

        return export_model(self, filepath, format, **options)

    def get_config(self):
        """Returns everything that rebuilds this model without its weights."""
        return {
            **{name: _to_saved(value) for name, value in vars(self._given).items()},
            "task_options": self.task_options or None,
            "loss_weights": self._loss_weights,
            "normalization": self.normalization,
            "classes": list(self.classes),
            "input_size": list(self.input_size),
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns a new model with fresh weights from what `get_config` returned."""
        return cls(**{name: _from_saved(value, custom_objects) for name, value in config.items()})


def _images_and_objects(data) -> tuple:
    images, objects, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    _refuse_weights(sample_weight)
    return images, objects


def _refuse_weights(sample_weight) -> None:
    if sample_weight is not None:
        raise UserError(
            "sample_weight: expected None, as the masks of the objects say what counts; got weights. Remove them, and "
            "weight heads by CenterNet(loss_weights=...)."
        )


def _to_saved(value):
    """Returns what a file holds of an argument: keys as they are, models and functions as Keras serialises them.

    Raises:
        UserError: a `Task` that nothing rebuilds.
    """
    if isinstance(value, Task):
        if value.builder is None:
            raise UserError(
                f"task {value.name}: expected a registered function that rebuilds it from a file, got a Task without "
                "`builder`. Pass the function itself, CenterNet(task=build_mine, classes=...), or Task(builder=...)."
            )
        value = value.builder
    if isinstance(value, dict):
        return {key: _to_saved(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str) else keras.saving.serialize_keras_object(value)


def _from_saved(value, custom_objects):
    """Returns the argument of which `_to_saved` made this."""
    if not isinstance(value, dict):
        return value
    if "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return {key: _from_saved(item, custom_objects) for key, item in value.items()}


def load_model(path: str | os.PathLike, custom_objects: dict | None = None) -> CenterNet:
    """Returns the `CenterNet` that `model.save(path)` wrote, compiled as it was.

    Args:
        path: of a `.keras` file.
        custom_objects: {name: function or class} of a user's own that are not registered
            (`keras.saving.register_keras_serializable`).

    Raises:
        UserError: the file is missing, damaged, holds another kind of model, or an object of a user's own that nobody
            has registered.
    """
    return read_model_file(path, custom_objects)
