"""A model as a folder that others can load: what `from_preset` reads and `upload_preset` shares."""

import dataclasses
import os

from keras_centernet.errors import look_up
from keras_centernet.files.atomic import write_text, write_whole
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import AnyPath, to_path
from keras_centernet.model import CenterNet
from keras_centernet.presets.card import IMAGE, Run, read_run, write_card
from keras_centernet.weights.preset_folder import CONFIG, README, WEIGHTS, write_preset_folder


def save_to_preset(
    model: CenterNet,
    folder: str | os.PathLike,
    run: str | os.PathLike | None = None,
    licence: str | None = None,
    weights: str = "model.weights.h5",
    overwrite: bool = False,
) -> AnyPath:
    """Writes config.json, the weights and README.md, a model card; returns the folder.

    Args:
        model: its averaged weights are written if it keeps an average.
        folder: local or remote, made if missing.
        run: folder of the training, whose settings, metrics and image go into the card; None: metrics of `model.about`.
        licence: under which you share the model, such as "apache-2.0"; it becomes the licence of `model.about`, too.
            None: that of `model.about`; without one the card says that none was chosen.
        weights: "model.weights.h5" or "model.safetensors".
        overwrite: whether these files may be replaced.

    Raises:
        UserError: files exist already, `run` is not the folder of a run, or nothing can be written.
    """
    look_up(WEIGHTS, weights, "file of weights")
    if licence is not None:
        model.about = dataclasses.replace(model.about, licence=licence)
    folder, found = to_path(folder), read_run(run) if run is not None else Run()
    names = [CONFIG, weights, README, *([IMAGE] if found.image else [])]
    with claimed([folder / name for name in names], overwrite):
        for other in set(WEIGHTS) - {weights}:  # of an earlier call, which no longer belong to config.json
            if overwrite and (folder / CONFIG).exists():
                (folder / other).unlink(missing_ok=True)
        with model.averaged():
            if found.image:
                write_whole(folder / IMAGE, lambda path: path.write_bytes(found.image))
            write_text(folder / README, write_card(model, found))
            write_preset_folder(model, folder, weights)
    return folder
