"""What must not change when a run is resumed, and the errors if it does."""

import dataclasses
import json

from keras_centernet.errors import UserError, shown
from keras_centernet.runs.checkpoints import Progress
from keras_centernet.runs.datasets import Datasets
from keras_centernet.runs.folder import CONFIG, RunFolder
from keras_centernet.runs.options import options_of
from keras_centernet.runs.resuming.fingerprint import describe_classes, fingerprint_of
from keras_centernet.runs.resuming.run_settings import CHOSEN, with_older_values
from keras_centernet.runs.settings import TrainSettings

FINGERPRINT = "data_fingerprint"  # key of config.json


def config_of(settings: TrainSettings, data: Datasets) -> dict:
    """Returns the content of a run's config.json: its options, its classes, and the fingerprints of its data."""
    of_data = {"classes": list(data.train.classes), CHOSEN: settings.classes, FINGERPRINT: fingerprints_of(data)}
    return dataclasses.asdict(settings) | of_data


def fingerprints_of(data: Datasets) -> dict[str, dict]:
    """Returns {"train": fingerprint, "val": fingerprint} of a run's data."""
    return {"train": fingerprint_of(data.train), "val": fingerprint_of(data.val)}


def check_same_run(folder: RunFolder, settings: TrainSettings) -> None:
    """Raises a UserError if a resumed run has another value than before of an option that must not change."""
    before = with_older_values(folder.read_config())
    now = json.loads(json.dumps(dataclasses.asdict(settings)))  # tuples become lists
    for name, row in options_of(TrainSettings).items():
        if not row.may_change and before.get(name, now[name]) != now[name]:
            found = f"{shown(before.get(name))} as in {folder / CONFIG}, got {shown(now[name])}"
            raise UserError(f"--resume: expected {name} {found}. Give the same options, or start in another folder.")


def check_same_classes(folder: RunFolder, classes: tuple[str, ...]) -> None:
    """Raises a UserError if the data of a resumed run have other classes than before."""
    before = folder.read_config().get("classes", list(classes))
    if list(classes) != before:
        expected = f"expected the run's classes in their order, [{', '.join(before)}], got [{', '.join(classes)}]"
        if {*classes} != {*before}:
            expected = f"expected the run's classes, {describe_classes(before, classes)}"
        raise UserError(f"--resume: {expected}. Pass them as --classes, or start in another folder.")


def check_epochs(settings: TrainSettings, progress: Progress) -> None:
    """Raises a UserError if a run has already begun more epochs than the settings ask for."""
    done = progress.epoch + bool(progress.batch)
    if settings.epochs < done:
        found = f"at least the {done} that the run has begun, got {settings.epochs}"
        raise UserError(f"--epochs: expected {found}. Give more, or start in another folder.")
