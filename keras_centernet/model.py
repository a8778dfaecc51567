"""CenterNet: a network, a task, and the objective that trains one for the other."""

import inspect
import os
import types

import keras

from keras_centernet import __version__
from keras_centernet.about import About
from keras_centernet.detecting.detector import Detector
from keras_centernet.errors import UserError, look_up, shown
from keras_centernet.fitting.task_model import TaskModel
from keras_centernet.networks.build import build_network, check_input_size, dtype_scope
from keras_centernet.networks.normalization import NORMALIZATIONS
from keras_centernet.networks.table import find_backbone
from keras_centernet.tasks.table import find_task, with_losses
from keras_centernet.weights.imagenet import load_imagenet
from keras_centernet.weights.load import load_weights
from keras_centernet.weights.saved_values import from_saved, to_saved

BOXES = "boxes_xyxy of detect: left, top, right, bottom in pixels of the original image"  # recorded in its files


@keras.saving.register_keras_serializable(package="keras_centernet")
class CenterNet(Detector, TaskModel):
    """A detector that finds objects as points.

    `model(images)` returns the raw head maps. `model.detect(...)` returns boxes in original pixels, for images of any
    kind, and `model.predict(images)` the same as arrays of fixed shapes, as Keras' own detectors do. `compile` and
    `fit` train the model on what `load_dataset` yields.

    Args:
        backbone: key of `BACKBONES`, such as "mobilenet_v2"; or a Keras model that takes images of any size and has
            several outputs of strides 4 to 32, to which a light upsampling path is added, or one output of stride 4,
            which is used as it is; or a function of symbolic images that returns such maps.
        task: key of `TASKS`, such as "detection"; or a function (classes, **task_options) -> `Task`; or a `Task`.
        num_classes: number of classes, named "0", "1", ...; give `classes` or this, not both.
        classes: names of the classes. With neither, the task's default ones are used (COCO's 80 for detection).
        weights: to start from: a file of `model.save` or `model.save_weights`, a published checkpoint (`.pth`,
            `.safetensors`), the name of a preset ("coco" for the backbone's), an address or a preset's folder.
        backbone_weights: of the backbone: None (random), "imagenet" (the MobileNets, downloaded by
            keras.applications), or a file (torchvision's ResNets, DLA-34).
        input_size: side, or (height, width), that images are letterboxed to; a multiple of 32. The
            network itself is fully convolutional and takes other sizes too.
        task_options: further arguments of the task, such as {"radius": "geometric"}; every task also takes
            {"nms": 0.6}: of detections of one class with a larger IoU only the best is kept (`method.duplicates`).
        normalization: key of `NORMALIZATIONS`; None: the backbone's ("imagenet" for a custom one). Published weights
            for VOC and KITTI need "published_voc_kitti".
        head_losses: {head: key of `LOSSES`, or a function as `HeadSpec.loss`}, where it differs from the task's.
        loss_weights: {head: factor of its loss in the sum}, where it differs from the task's.
        name: of the Keras model.
        **kwargs: of `keras.Model`, such as dtype="mixed_bfloat16".

    Attributes:
        about: `About`: licence and metrics of the weights, held by all files of the model. Replace it after training:
            `model.about = About("apache-2.0", {"AP": 0.41})`.

    Raises:
        UserError: an unknown name, contradictory classes, or a size that the backbone cannot take.

    Examples:
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
        given = {} if self.task.nms is None else {"nms": self.task.nms}
        self.task_options = given | dict(task_options or self.task.options)
        self.classes = self.task.classes
        with dtype_scope(self.dtype_policy):
            self.backbone_name, self.backbone_row = find_backbone(backbone)
            self.input_size = check_input_size(input_size, self.backbone_row.multiple_of, self.backbone_name)
            self.normalization = normalization or self.backbone_row.normalization
            look_up(NORMALIZATIONS, self.normalization, "normalization")
            self.network = build_network(self.backbone_row, self.task, name=self.backbone_name)
        # Not a dict: Keras would track a backbone in it, and save it a second time.
        self._given = types.SimpleNamespace(backbone=backbone, task=task, head_losses=head_losses)
        self._loss_weights = loss_weights
        self.prepare()
        if backbone_weights:
            load_imagenet(self.network, self.backbone_row, self.task, backbone_weights)
        if weights:
            load_weights(self, weights)

    def call(self, images, training=False):
        """Returns {head name: (B, H / 4, W / 4, channels) float32 raw map} of the last stack.

        Args:
            images: (B, H, W, 3) RGB in 0..255, uint8 or float; normalisation happens inside.
            training: whether batch normalisation uses the statistics of the batch.
        """
        return self.stacks(self.normalize(images), training)[-1]

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

    # -- saving

    @classmethod
    def from_preset(cls, preset, /, **overrides):
        """Returns a trained model by name, such as "dla34_coco", or by anything else that `load_model` takes.

        `overrides` are arguments of `CenterNet`, such as input_size=384 or classes=["cat", "dog"]; a line says which
        weights start anew then. `keras-centernet models` lists the names. Raises a UserError as `load_model` does.
        """
        from keras_centernet.presets import load_named, with_overrides

        return with_overrides(load_named(preset), overrides)

    def save_to_preset(self, folder, **options):
        """Writes config.json, weights and a model card; takes and returns what `presets.save_to_preset` does."""
        from keras_centernet.presets import save_to_preset

        return save_to_preset(self, folder, **options)

    def export(self, filepath, format: str | None = None, **options):
        """Writes a file that runs without this package; returns what `exporting.export_model` returns.

        Args:
            filepath: "detector.tflite", "detector.onnx", or a folder without suffix for a SavedModel.
            format: key of `exporting.FORMATS` or Keras' name of it, needed if the suffix does not tell it.
            **options: of the format, such as `precision="int8", calibration="photos/"` or `top_k=20`.
        """
        from keras_centernet.exporting import export_model

        return export_model(self, filepath, format, **options)

    def get_config(self):
        """Returns everything needed to rebuild this model, except its weights."""
        return {
            **{name: to_saved(value) for name, value in vars(self._given).items()},
            "task_options": self.task_options or None,
            "loss_weights": self._loss_weights,
            "normalization": self.normalization,
            "classes": list(self.classes),
            "input_size": list(self.input_size),
            "dtype": self.dtype_policy.name,
            "name": self.name,
            "thresholds": self.thresholds or None,
            "about": {"keras_centernet": __version__, "boxes": BOXES} | self.about.to_dict(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns a new model with fresh weights from what `get_config` returned; raises a UserError for any other key.

        A configuration cannot make this open a file: `weights` and `backbone_weights` are not among its keys.
        """
        if not isinstance(config, dict):
            raise UserError(f"expected the configuration of a CenterNet, got {shown(config)}.")
        thresholds, about = config.get("thresholds"), About.from_dict(config.get("about", {}))
        config = {name: value for name, value in config.items() if name not in ("thresholds", "about")}
        known = {*inspect.signature(CenterNet).parameters, *inspect.signature(cls).parameters, "dtype", "trainable"}
        strangers = sorted(set(config) - (known - {"weights", "backbone_weights", "args", "kwargs"}))
        if strangers:
            advice = "update keras_centernet if a newer one wrote it, else do not use it"
            raise UserError(f"expected the configuration of a CenterNet, got the key {shown(strangers[0])}; {advice}.")
        model = cls(**{name: from_saved(value, custom_objects) for name, value in config.items()})
        model.thresholds = thresholds
        model.about = about
        return model


def load_model(path: str | os.PathLike, custom_objects: dict | None = None) -> CenterNet:
    """Returns the `CenterNet` that `model.save(path)` wrote into a `.keras` file, compiled as it was.

    `path` may also be a preset ("dla34_coco"), a folder of `save_to_preset` or of a run, hf://user/name, kaggle://...,
    https://... or a checkpoint of the authors; `custom_objects` are {name: function or class} that are not registered
    (`register_keras_serializable`).

    Raises:
        UserError: the file is missing, damaged, or holds another kind of model or an unregistered custom object; there
            is no such name, or it cannot be downloaded.
    """
    from keras_centernet.presets import load_named

    return load_named(path, custom_objects)
