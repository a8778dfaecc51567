"""Exports that reach their folder only after they ran and agreed with the model, and the report of it."""

import dataclasses
import json
from collections.abc import Iterable

import keras

from keras_centernet.errors import UserError, look_up
from keras_centernet.evaluation import evaluate
from keras_centernet.exporting.table import FORMATS, Format, letterboxed
from keras_centernet.exporting.tflite.precisions import PRECISIONS
from keras_centernet.files.atomic import check_writable, folder_for, move, write_whole
from keras_centernet.files.paths import AnyPath

REPORT = "report.json"


@dataclasses.dataclass(frozen=True)
class Planned:
    """One export: key of `FORMATS`, the file's name, and the options of the format's function."""

    format: str
    name: str
    options: dict

    @property
    def is_calibrated(self) -> bool:
        """Whether it needs pictures to measure ranges on."""
        precision = self.options.get("precision")
        by_precision = precision is not None and look_up(PRECISIONS, precision, "precision").calibrated
        return (FORMATS[self.format].is_calibrated or by_precision) and not self.options.get("compiled")

    @property
    def files(self) -> list[str]:
        """Names of all files that it leaves."""
        row, stem = FORMATS[self.format], self.name.removesuffix(FORMATS[self.format].ending)
        more = [] if self.options.get("compiled") else row.more_endings
        return [self.name, *(f"{stem}{ending}" for ending in more)]


def plan_exports(stem: str, formats: list[str], precisions: list[str], options: dict) -> list[Planned]:
    """Returns what to write, one entry per format and, where it has them, precision.

    Args:
        stem: beginning of the names of the files.
        formats: keys of `FORMATS`.
        precisions: keys of `PRECISIONS`.
        options: {name: value} that were asked for; each goes to the formats that know it.

    Raises:
        UserError: an unknown name, or an option that none of the formats knows.
    """
    rows = {name: look_up(FORMATS, name, "format") for name in formats}
    for name in precisions:
        look_up(PRECISIONS, name, "precision")
    strangers = [name for name in options if not any(name in row.options for row in rows.values())]
    if strangers:
        raise UserError(f"{', '.join(strangers)}: expected a format that has it, got {', '.join(formats)}.")
    plan = []
    for name, row in rows.items():
        kept = {key: value for key, value in options.items() if key in row.options}
        for precision in precisions if row.takes_precision else [None]:
            plan.append(_plan_one(name, row, stem, precision, kept))
    return plan


def _plan_one(name: str, row: Format, stem: str, precision: str | None, options: dict) -> Planned:
    if precision is not None:
        raw = "_raw" if options.get("raw_heads") else ""
        stem, options = f"{stem}_{precision}{raw}", options | {"precision": precision}
    return Planned(name, f"{stem}{row.ending}", options)


def check_places(folder: AnyPath, plan: list[Planned]) -> None:
    """Raises a UserError where a file would replace one, or nothing can be written; before any work is done."""
    try:
        check_writable(folder)
    except OSError as error:
        raise UserError(f"--output {folder}: expected a folder that can be written to: {error.strerror}.") from error
    for name in (name for planned in plan for name in planned.files):
        if (folder / name).exists():
            raise UserError(f"{folder / name}: expected a new file to export to, there is one. Remove or rename it.")
    read_report(folder)


@dataclasses.dataclass(frozen=True)
class Truth:
    """Labelled pictures that exported files are measured on.

    Attributes:
        dataset: batches as `load_dataset` yields them.
        average_precision: of the model itself there.
    """

    dataset: Iterable
    average_precision: float


def measure_model(model: keras.Model, dataset: Iterable) -> Truth:
    """Returns the data set with the model's own average precision on it.

    Raises:
        UserError: nothing in it defines one.
    """
    average_precision = evaluate(model, dataset, progress=False).metrics["AP"]
    if average_precision is None:
        raise UserError("evaluate: expected a split with objects, which average precision is measured by; got none.")
    return Truth(dataset, average_precision)


def export_checked(
    model: keras.Model,
    folder: AnyPath,
    planned: Planned,
    images: list,
    calibration=None,
    truth: Truth | None = None,
) -> dict:
    """Writes one export into a folder, once it ran in its runtime and agreed with the model; returns its report.

    Args:
        model: `CenterNet`.
        folder: existing one; its `REPORT` gets the new entries.
        planned: what to write.
        images: pictures to compare on, (h, w, 3) uint8 RGB of any sizes.
        calibration: as of `export_tflite`, where it is needed.
        truth: what to measure the file's average precision on, where its format can be measured.

    Returns:
        {file name: {"format", "size_bytes", "agreement", "latency_ms" and what else its runtime tells; with a truth
        also "AP" {"file", "model", "difference"}}}.

    Raises:
        UserError: as the format's functions; nothing is left in the folder then.
    """
    row, options = FORMATS[planned.format], dict(planned.options)
    if planned.is_calibrated:
        options["calibration"] = calibration
    if "images" in row.options:  # what it checks itself before it writes; all of them follow
        options["images"] = letterboxed(model, images[:1])
    with folder_for(folder) as beside:
        made = row.export(model, beside / planned.name, **options)
        reports = row.verify(model, made, images, options)
        if truth and row.detector:
            reports[planned.name]["AP"] = _compare_precision(row.detector(made), truth)
        for file in sorted(beside.iterdir()):
            move(file, folder / file.name)
    told = {"format": planned.format} | {key: options[key] for key in ("precision",) if key in options}
    reports = {name: told | figures for name, figures in reports.items()}
    _write_report(folder, read_report(folder) | reports)
    return reports


def _compare_precision(detector, truth: Truth) -> dict:
    found = evaluate(detector, truth.dataset, progress=False).metrics["AP"]
    return {"file": found, "model": truth.average_precision, "difference": found - truth.average_precision}


def read_report(folder: AnyPath) -> dict:
    """Returns the entries of a folder's report, none where there is no report yet.

    Raises:
        UserError: the file of that name is something else.
    """
    path = folder / REPORT
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: expected the report of an earlier export, got {error}. Remove or rename it."
        ) from error
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise UserError(f"{path}: expected the report of an earlier export, got other JSON. Remove or rename it.")
    return found


def _write_report(folder: AnyPath, entries: dict) -> None:
    write_whole(folder / REPORT, lambda beside: beside.write_text(json.dumps(entries, indent=1)))
