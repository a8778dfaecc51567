"""CenterNet: a network, a task, and the step that trains one for the other."""

import contextlib
import os

import keras
from keras import ops

from keras_centernet.errors import UserError
from keras_centernet.fitting import layer_selection as parts
from keras_centernet.fitting.ema import WeightAverage
from keras_centernet.fitting.nonfinite import StopOnNonFiniteLoss
from keras_centernet.fitting.objective import count_targets, read_losses, sum_over_parts
from keras_centernet.fitting.optimizers import PartwiseAdam  # noqa: F401 Keras must know it before it reads a file with it
from keras_centernet.fitting.replicas import (
    LOSS_MEANS,
    Figure,
    ReplicaSeeds,
    average_over_replicas,
    batch_statistics,
    gradients_to_apply,
    sum_over_replicas,
    with_axis,
)
from keras_centernet.geometry import STRIDE, to_input_frame
from keras_centernet.method.decode import decode
from keras_centernet.method.losses import divided
from keras_centernet.method.targets import encode_targets
from keras_centernet.networks import normalization as preprocessing
from keras_centernet.networks.build import build_network, build_task, class_names, input_hw, look_up
from keras_centernet.networks.table import BACKBONES
from keras_centernet.predictor import DetectionGraphs
from keras_centernet.tasks import TASKS
from keras_centernet.weights import load_imagenet, load_weights, read_model_file

PUBLISHED_LEARNING_RATE = 1.25e-4  # As published: for 32 images a step, grows with the batch
PUBLISHED_EPSILON = 1e-8  # PyTorch's Adam; Keras' default is 1e-7


@keras.saving.register_keras_serializable(package="keras_centernet")
class CenterNet(keras.Model):
    """A detector that finds objects as points.

    `model(images)` gives the raw head maps; `model.detect(...)` gives boxes in original pixels;
    `compile` and `fit` train it on what `load_dataset` yields.

    Args:
        backbone: key of `BACKBONES`, such as "mobilenet_v2".
        task: key of `TASKS`, such as "detection".
        num_classes: number of classes, named "0", "1", ...; give `classes` or this, not both.
        classes: names of the classes. Neither: the task's usual ones (COCO's 80 for detection).
        weights: file to start from: written by `model.save` or `model.save_weights`, or a published
            checkpoint (`.pth`, `.safetensors`).
        backbone_weights: of the lower part: None (random), "imagenet" (the MobileNets, downloaded by
            keras.applications), or a file (torchvision's ResNets, DLA-34).
        input_size: side, or (height, width), that images are letterboxed to; a multiple of 32. The
            network itself is fully convolutional and takes other sizes too.
        task_options: further arguments of the task, such as {"radius": "geometric"}.
        normalization: key of `preprocessing.NORMALIZATIONS`, None: the backbone's. Published weights for
            VOC and KITTI want "published_voc_kitti".
        name: of the Keras model.

    Raises:
        UserError: an unknown name, contradictory classes, or a size that the backbone cannot take.

    Example:
        >>> model = CenterNet("mobilenet_v2", classes=["cat", "dog"], input_size=64)
        >>> model.classes
        ('cat', 'dog')
    """

    def __init__(
        self,
        backbone: str,
        task: str = "detection",
        num_classes: int | None = None,
        classes: tuple[str, ...] | list[str] | None = None,
        weights: str | None = None,
        backbone_weights: str | None = None,
        input_size: int | tuple[int, int] = 512,
        task_options: dict | None = None,
        normalization: str | None = None,
        name: str = "centernet",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        row = look_up(BACKBONES, backbone, "backbone")
        task_row = look_up(TASKS, task, "task")
        self.classes = class_names(classes, num_classes, task_row.classes)
        self.input_size = input_hw(input_size, row.multiple_of, backbone)
        self.task_options = dict(task_options or {})
        self.task = build_task(task, task_row.build, self.classes, self.task_options)
        self.normalization = normalization or row.normalization
        look_up(preprocessing.NORMALIZATIONS, self.normalization, "normalization")
        self.backbone = backbone
        self._config = {
            "backbone": backbone,
            "task": task,
            "task_options": task_options,
            "normalization": self.normalization,
        }
        self.network = build_network(backbone, self.task)
        self._seeds = ReplicaSeeds()
        self._figures = [Figure("loss")]
        self._figures += [Figure(f"{head.name}_loss") for head in self.task.heads]
        self._color_augmentation = True
        self._loss_mean, self._accumulate = "global_batch", 1
        self.average = None
        self.graphs = DetectionGraphs(self)
        self.build(None)
        if backbone_weights:
            load_imagenet(self.network, self.task, backbone_weights)
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
        return self._stacks(preprocessing.normalize(images, self.normalization), training)[-1]

    # -- training

    def compile(
        self,
        optimizer=None,
        color_augmentation: bool = True,
        average_decay: float | None = None,
        loss_mean: str = "global_batch",
        accumulate: int = 1,
        freeze: tuple[str, ...] | None = None,
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
            accumulate: parts that each batch is trained in, one after the other, for one step of the optimizer: the
                memory of a part, the gradients of the whole batch. The batch size (of each device) is a multiple of
                it; batch normalisation sees parts.
            freeze: parts that keep their weights: "backbone" or patterns of layers' names, see `parts.freeze`;
                None leaves every layer's `trainable` as it is.
            **kwargs: of `keras.Model.compile` (run_eagerly, jit_compile, steps_per_execution...). The
                losses belong to the task: `loss` and `metrics` are refused.
        """
        for argument in ("loss", "metrics", "loss_weights"):
            if kwargs.get(argument) is not None:
                raise UserError(
                    f"compile({argument}=...): a CenterNet brings its own losses; expected None, got "
                    f"{kwargs[argument]!r}. Leave it away."
                )
        if optimizer is None:
            optimizer = keras.optimizers.Adam(PUBLISHED_LEARNING_RATE, epsilon=PUBLISHED_EPSILON)
        look_up(LOSS_MEANS, loss_mean, "loss_mean")
        if accumulate < 1:
            raise UserError(f"accumulate: expected a positive number of parts, got {accumulate}; 1 is the whole batch.")
        if freeze is not None:
            parts.freeze(self.network, freeze)
        self._color_augmentation, self._loss_mean, self._freeze = color_augmentation, loss_mean, freeze
        self._accumulate = accumulate
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
            "loss_mean": self._loss_mean,
            "accumulate": self._accumulate,
            "freeze": self._freeze if self._freeze is None else list(self._freeze),
        }

    def compile_from_config(self, config):
        """Compiles a loaded model as the saved one was, with its optimizer's state."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self):
        """The loss and its parts by head, as running means."""
        return list(self._figures)

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
        """Returns the loss figures as `keras.Model.evaluate` does, of the averaged weights if there are any.

        For average precision see `keras_centernet.evaluate`.
        """
        with self.averaged():
            return super().evaluate(*args, **kwargs)

    def averaged(self):
        """Returns a context in which the model holds its averaged weights, if it keeps any."""
        return self.average.swapped() if self.average else contextlib.nullcontext()

    def train_step(self, data):
        """Renders the targets, sums the losses over heads, stacks and parts of the batch, and updates the weights."""
        import tensorflow as tf

        images, objects, _ = keras.utils.unpack_x_y_sample_weight(data)
        map_hw = tuple(side // STRIDE for side in images.shape[1:3])
        targets = self._encode(objects, map_hw)
        counts = count_targets(self.task, targets, (ops.shape(images)[0], *map_hw))
        divisors = LOSS_MEANS[self._loss_mean](counts)

        def differentiate(part):
            with tf.GradientTape() as tape:
                totals, _ = read_losses(self.task, self._stacks(part[0], training=True), part[1])
                shares = divided(totals, divisors)
                loss = self.optimizer.scale_loss(self._weighted_sum(shares))
            gradients = tape.gradient(loss, self.trainable_weights, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            return gradients, shares

        like = self.trainable_weights, [0.0] * len(counts)
        batch = self._prepare_for_training(images), targets
        gradients, shares = sum_over_parts(differentiate, batch, self._accumulate, like)
        self._record(shares)
        gradients = gradients_to_apply(self.optimizer, gradients)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        average_over_replicas(batch_statistics(self.network))
        if self.average:
            self.average.update()
        return with_axis(self.get_metrics_result())

    def test_step(self, data):
        """Returns the same figures as `train_step` without augmentation and without an update."""
        images, objects, _ = keras.utils.unpack_x_y_sample_weight(data)
        normalized = preprocessing.normalize(images, self.normalization)
        self.compute_loss(images, objects, self._stacks(normalized, training=False), training=False)
        return with_axis(self.get_metrics_result())

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the weighted sum of the heads' losses and adds each of them to its running mean.

        Args:
            x: not used.
            y: padded objects as `load_dataset` yields them, or targets that `encode_targets` made.
            y_pred: head maps of one stack, or a list of them; every term is averaged over the stacks.
            sample_weight: not used; the masks of the objects take its place.
            training: not used.

        Returns:
            float32 scalar; where several replicas share the batch, this one's share of the sum.
        """
        stacks = y_pred if isinstance(y_pred, list | tuple) else [y_pred]
        map_hw = tuple(stacks[0][self.task.center_heatmap.name].shape[1:3])
        totals, counts = read_losses(self.task, stacks, self._encode(y, map_hw))
        shares = divided(totals, LOSS_MEANS[self._loss_mean](counts))
        self._record(shares)
        return self._weighted_sum(shares)

    def _encode(self, objects, map_hw: tuple[int, int]) -> dict:
        return objects if "center_index" in objects else encode_targets(self.task, objects, map_hw)

    def _record(self, shares: list) -> None:
        figures = sum_over_replicas(shares)
        for metric, value in zip(self._figures, [self._weighted_sum(figures), *figures], strict=True):
            metric.update_state(value)

    def _weighted_sum(self, parts: list):
        return sum(head.weight * part for head, part in zip(self.task.heads, parts, strict=True))

    def _prepare_for_training(self, images):
        if self._color_augmentation:
            return preprocessing.augment_and_normalize(images, self.normalization, self._seeds)
        return preprocessing.normalize(images, self.normalization)

    def _stacks(self, normalized, training: bool) -> list:
        stacks = self.network(normalized, training=training)
        return stacks if isinstance(stacks, list) else [stacks]  # Keras unwraps a list of one

    # -- detection

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
        from keras_centernet.predictor import detect_images

        return detect_images(self, images, threshold, top_k, batch_size, calibration)

    def detect_batch(self, images, top_k: int = 100, flip: bool = False) -> dict:
        """Returns the decoded detections of images that already have the input's size.

        Runs graphs that are traced once per input shape (see `graphs`); never the fixed cost of `predict`.

        Args:
            images: (B, H, W, 3) uint8 or float RGB in 0..255.
            top_k: K.
            flip: whether the maps are averaged with those of the mirrored images: better by one to two points
                of AP, at twice the cost.

        Returns:
            "boxes_xyxy" (B, K, 4) in input pixels, "scores" (B, K), "classes" (B, K) and what else the
            task decodes, as tensors.
        """
        return self.graphs.decoded(self.graphs.maps(images, flip), top_k)

    def decoded(self, images, top_k: int = 100) -> dict:
        """Returns detections of a batch, places in input pixels: network and decoding as plain ops."""
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
            **self._config,
            "classes": list(self.classes),
            "input_size": list(self.input_size),
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns a new model with fresh weights from what `get_config` returned."""
        return cls(**config)


def load_model(path: str | os.PathLike) -> CenterNet:
    """Returns the `CenterNet` that `model.save(path)` wrote, compiled as it was.

    Raises:
        UserError: the file is missing, damaged, or holds another kind of model.
    """
    return read_model_file(path)
