"""Resumes a training from its checkpoint, and prints a line for everything that has changed."""

import dataclasses

from keras_centernet.model import CenterNet
from keras_centernet.runs.callbacks import KeepBest
from keras_centernet.runs.checkpoints import Progress, restore, with_steps
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.devices.devices import Devices
from keras_centernet.runs.folder import BEST, RunFolder
from keras_centernet.runs.optimizers import SCHEDULES
from keras_centernet.runs.resuming.checks import FINGERPRINT, check_epochs, fingerprints_of
from keras_centernet.runs.resuming.fingerprint import describe_changes
from keras_centernet.runs.settings import TrainSettings


def go_on(folder: RunFolder, settings: TrainSettings, data: Datasets, model: CenterNet, devices: Devices) -> Progress:
    """Loads the checkpoint into the model, prints what has changed, and returns the progress.

    It must be called before config.json is replaced.

    Raises:
        UserError: the checkpoint is damaged or of another model, or has more epochs than the settings.
    """
    progress = restore(model, folder)
    check_epochs(settings, progress)
    if devices.is_chief:
        config, changed = folder.read_config(), _changes(folder, data)
        lines = [
            *_say_data(changed),
            *_say_steps(progress, data.steps_per_epoch),
            *_say_epochs(config.get("epochs"), settings),
        ]
        if progress.best != Progress.best and (why := _why_no_best(folder, changed)):
            lines.append(f"{why}: the best of what follows will be there")
            progress = dataclasses.replace(progress, best=Progress.best, waited=0)
        for line in lines:
            print(f"--resume: {line}.", flush=True)
    return with_steps(model, progress, data.steps_per_epoch)


def say_done(folder: RunFolder, progress: Progress, keep_best: KeepBest) -> str:
    """Returns the line to print for a run with nothing left to train."""
    if keep_best.is_done:
        why = f"stopped after epoch {progress.epoch}, {keep_best.waited} evaluations without a better result"
        return f"{folder.path}: {why}; a larger --patience goes on."
    return f"{folder.path}: all {progress.epoch} epochs are trained; larger --epochs go on."


def _changes(folder: RunFolder, data: Datasets) -> dict[str, list[str]]:
    """Returns {"train": what has changed, in words, "val": the same}; a key is missing if config.json lacks it."""
    before = folder.read_config().get(FINGERPRINT)
    before = before if isinstance(before, dict) else {}
    pairs = {name: (before.get(name), now) for name, now in fingerprints_of(data).items()}
    return {name: describe_changes(old, now, name) for name, (old, now) in pairs.items() if isinstance(old, dict)}


def _say_data(changed: dict[str, list[str]]) -> list[str]:
    said = [text for texts in changed.values() for text in texts]
    return [f"the data have changed: {', '.join(said)}"] if said else []


def _say_steps(progress: Progress, steps: int) -> list[str]:
    if progress.steps_per_epoch == steps:
        return []
    begun = f"; epoch {progress.epoch + 1} begins anew" if progress.batch else ""
    return [f"{steps} steps an epoch instead of {progress.steps_per_epoch}{begun}"]


def _say_epochs(before, settings: TrainSettings) -> list[str]:
    if before in (None, settings.epochs):
        return []
    is_other = SCHEDULES[settings.schedule].depends_on_epochs(settings)
    rate = f"; the learning rate is that of a run of {settings.epochs}" if is_other else ""
    return [f"{settings.epochs} epochs instead of {before}{rate}"]


def _why_no_best(folder: RunFolder, changed: dict[str, list[str]]) -> str:
    """Returns why the best result so far no longer counts; "" if it does."""
    if not (folder / BEST).exists():
        return f"{folder / BEST} is missing"
    return f"{folder / BEST} was measured on other images" if changed.get("val") else ""
