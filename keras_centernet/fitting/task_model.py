"""A Keras model that is trained by a task's own losses: `compile`, `fit`, and what a step computes."""

import contextlib
import dataclasses
import types

import keras
from keras import ops

from keras_centernet.about import About
from keras_centernet.data.own.batches import OwnData
from keras_centernet.errors import UserError, look_up
from keras_centernet.fitting import layer_selection
from keras_centernet.fitting.backends import step_of_backend
from keras_centernet.fitting.ema import WeightAverage
from keras_centernet.fitting.nonfinite import StopOnNonFiniteLoss
from keras_centernet.fitting.objective import DIVISORS, divide, head_losses, weighted_sum
from keras_centernet.fitting.optimizers import PartwiseAdam  # noqa: F401 Keras must know it before it reads a file with it
from keras_centernet.fitting.replicas import LOSS_MEANS, UnsavedMean, first_image, sum_over_replicas
from keras_centernet.fitting.step import refuse_weights
from keras_centernet.limits import COUNT, Limits
from keras_centernet.method.draws import uniform
from keras_centernet.method.specs import Task
from keras_centernet.method.targets import encode_targets
from keras_centernet.networks.normalization import RANDOM_NUMBERS, augment_and_normalize, normalize
from keras_centernet.networks.table import Backbone

PUBLISHED_LEARNING_RATE = 1.25e-4  # As published: for 32 images a step, to be scaled with the batch
DECAY = Limits(at_least=0, below=1)  # with 1 the average would never change
PUBLISHED_EPSILON = 1e-8  # PyTorch's Adam; Keras' default is 1e-7


class TaskModel(keras.Model):
    """A network and the task that it is trained for. A subclass builds the network and then calls `prepare`.

    Attributes:
        task: the one whose heads the network has.
        network: functional model from normalised images to the head maps of every stack.
        backbone_row: of the network.
        normalization: key of `NORMALIZATIONS`.
        input_size: (height, width) of the images.
        average: `WeightAverage` of the network's weights, or None.
        loss_mean, accumulate: of `compile`.
    """

    task: Task
    network: keras.Model
    backbone_row: Backbone
    normalization: str
    input_size: tuple[int, int]

    about = About()

    def prepare(self) -> None:
        """Creates what training needs; called once the network is built."""
        self._seeds = keras.random.SeedGenerator()
        self._running_means = {"loss": UnsavedMean("loss")}
        self._running_means |= {head.name: UnsavedMean(f"{head.name}_loss") for head in self.task.heads}
        self._color_augmentation = True
        self.loss_mean, self.accumulate, self.average = "global_batch", 1, None
        self._latest = types.SimpleNamespace(losses_by_head={})  # not a dict, in which Keras would track tensors
        self.build(None)

    def build(self, input_shape=None):
        """Nothing is left to build: the network is functional and has its weights already."""
        self.built = True

    def _symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        """Nothing is left to build; Keras would average a batch over replicas for it, which fails for bool masks."""

    @property
    def non_trainable_variables(self):
        """What a step changes besides the trained weights and the optimizer; includes the running average."""
        return super().non_trainable_variables + (self.average.own_variables if self.average else [])

    def normalize(self, images):
        """Returns images (B, H, W, 3) in 0..255 normalised as the network takes them."""
        return normalize(images, self.normalization, self.compute_dtype)

    def augment_and_normalize(self, images):
        """Returns the same, with the published random colour changes if training has them."""
        if not self._color_augmentation:
            return self.normalize(images)
        batch = ops.shape(images)[0]
        numbers = uniform(self._seeds.next(), batch, RANDOM_NUMBERS, first_image(batch))
        return augment_and_normalize(images, self.normalization, numbers, self.compute_dtype)

    def stacks(self, inputs, training: bool = False) -> list[dict]:
        """Returns the head maps of every stack for normalised images."""
        stacks = self.network(inputs, training=training)
        return stacks if isinstance(stacks, list) else [stacks]  # Keras unwraps a list of one

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
            loss_mean: key of `replicas.LOSS_MEANS`, what losses are averaged over if several devices share a
                batch: the objects of the "global_batch", as a single device would, or those of each "replica", as
                published for several GPUs. Model and optimizer must be made in the strategy's scope.
            accumulate: number of micro-batches that each batch is split into. A step needs the memory of one
                micro-batch and has the gradients of the whole batch, whose size on each device must be a multiple of
                this number. Batch normalisation sees micro-batches.
            freeze: layers that keep their weights, see `layer_selection.select_layers`; None leaves every layer's
                `trainable` as it is.
            **kwargs: of `keras.Model.compile`, except `loss`, `metrics` and `loss_weights`, which belong to the task.
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
        accumulate = COUNT.check("accumulate", accumulate)
        if average_decay is not None:
            average_decay = DECAY.check("average_decay", average_decay)
        if "steps_per_execution" in kwargs and kwargs["steps_per_execution"] != "auto":
            COUNT.check("steps_per_execution", kwargs["steps_per_execution"])
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
        """Compiles a loaded model as the saved one was; Keras then loads the optimizer's state."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self):
        """The loss and its parts by head, as running means."""
        return list(self._running_means.values())

    def fit(self, x=None, y=None, *args, callbacks=None, bounding_box_format: str | None = None, **kwargs):
        """Trains as `keras.Model.fit` does, and stops with a clear error at the first non-finite loss.

        Args:
            x, y: batches of `load_dataset`; or images (B, H, W, 3) of the input's size and labels {"boxes", "labels"},
                see `data.own.labels`: both as arrays, or x as a tf.data set, `PyDataset`, loader or generator of them.
            bounding_box_format: of the "boxes", also in `validation_data`: "yxyx", "xywh", "center_xywh", "rel_xyxy"
                (fractions of the image), ..., as in Keras; None for "xyxy" in pixels. A UserError names mistakes.
            callbacks, *args, **kwargs: of `keras.Model.fit`.
        """
        own = OwnData(self, bounding_box_format)
        x, y, kwargs["shuffle"] = own.for_keras(x, y, "fit", kwargs.get("shuffle"))
        if kwargs.get("validation_data") is not None:
            kwargs["validation_data"] = own.validation_for_keras(kwargs["validation_data"])
        if not isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks = [StopOnNonFiniteLoss(), *(callbacks or [])]
        self.about = dataclasses.replace(self.about, metrics={})  # they belong to the old weights
        if self.average:
            self.average.start()
        with own.plain_errors():
            history = super().fit(x, y, *args, callbacks=callbacks, **kwargs)
        if self.average:
            self.average.finish()
        return history

    def evaluate(self, x=None, y=None, *args, bounding_box_format: str | None = None, **kwargs):
        """Returns the losses as `keras.Model.evaluate` does, of the averaged weights if there are any.

        The data are those of `fit`. For average precision see `keras_centernet.evaluate`.
        """
        own = OwnData(self, bounding_box_format)
        if not kwargs.get("_use_cached_eval_dataset"):  # else `fit` has converted them already
            x, y, _ = own.for_keras(x, y, "evaluate")
        with own.plain_errors(), self.averaged():
            return super().evaluate(x, y, *args, **kwargs)

    def averaged(self):
        """Returns a context in which the model holds its averaged weights, if it keeps any."""
        return self.average.swapped() if self.average else contextlib.nullcontext()

    def train_step(self, *state_and_data):
        """Renders the targets, sums `compute_loss` over micro-batches, updates the weights and returns the metrics.

        Like Keras' own method it takes the data; on JAX it takes (state, data) and returns (metrics, state).
        """
        return step_of_backend().train_step(self, *state_and_data)

    def test_step(self, *state_and_data):
        """Returns the same as `train_step` without augmentation and without an update."""
        return step_of_backend().test_step(self, *state_and_data)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the weighted sum of the heads' losses, a float32 scalar, which every step minimises.

        `losses_by_head` then holds its terms {head: scalar}, without their weights. A subclass may add to it. If
        micro-batches or replicas share a batch, each call returns its share; the shares add up to the batch's loss.

        Args:
            x, training: not used.
            y: padded objects as `load_dataset` yields them, or targets that `encode` made.
            y_pred: head maps of one stack, or a list of them; every term is averaged over the stacks.
            sample_weight: must be None (else a UserError); the masks of the objects take its place.
        """
        refuse_weights(sample_weight)
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
        """Returns the targets of padded objects; objects that are targets already are returned unchanged."""
        return objects if "center_index" in objects else encode_targets(self.task, objects, map_hw)

    def record(self, loss, losses_by_head: dict) -> None:
        """Adds a step's loss and its terms, summed over all replicas, to the running means."""
        values = sum_over_replicas({"loss": loss, **losses_by_head})
        for name, value in values.items():
            self._running_means[name].update_state(value)
