"""Several exports of one model into a folder, and the folder's report."""

import contextlib
import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras

from keras_centernet.errors import UserError, look_up
from keras_centernet.evaluation import evaluate
from keras_centernet.exporting.export import export_files
from keras_centernet.exporting.table import FORMATS
from keras_centernet.exporting.tflite.precisions import PRECISIONS
from keras_centernet.files.atomic import write_text
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.outputs import claimed
from keras_centernet.files.paths import AnyPath

REPORT = "report.json"
_REPORT_FILE = JsonFormat({str: {"?": object}}, advice="remove it")


@dataclasses.dataclass(frozen=True)
class Planned:
    """One export: key of `FORMATS`, the file's name, and the options of the format's function."""

    format: str
    name: str
    options: dict

    @property
    def is_calibrated(self) -> bool:
        """Whether it needs images to measure ranges on."""
        return FORMATS[self.format].is_calibrated(self.options)

    @property
    def files(self) -> list[str]:
        """Names of all files that it writes."""
        row = FORMATS[self.format]
        stem = self.name.removesuffix(row.ending)
        return [self.name, *(f"{stem}{ending}" for ending in row.more_endings(self.options))]


def plan_exports(stem: str, formats: list[str], precisions: list[str], options: dict) -> list[Planned]:
    """Returns what to write, one entry per format and, if the format has precisions, per precision.

    Args:
        stem: beginning of the names of the files.
        formats, precisions: keys of `FORMATS` and `PRECISIONS`; a UserError lists them if one is unknown.
        options: requested {name: value}; each goes to all formats that have it, and at least one must.

    Raises:
        UserError: one of the above does not hold, or a package that a format needs is missing.
    """
    rows = {name: look_up(FORMATS, name, "format") for name in formats}
    for name in precisions:
        look_up(PRECISIONS, name, "precision")
    strangers = [name for name in options if not any(name in row.options for row in rows.values())]
    if strangers:
        raise UserError(f"{', '.join(strangers)}: expected a format that has it, got {', '.join(formats)}.")
    for row in rows.values():
        row.check_packages()
    plan = []
    for name, row in rows.items():
        kept = {key: value for key, value in options.items() if key in row.options}
        if "precision" not in row.options:
            plan.append(Planned(name, f"{stem}{row.ending}", kept))
            continue
        raw = "_raw" if kept.get("raw_heads") else ""
        for precision in precisions:
            plan.append(Planned(name, f"{stem}_{precision}{raw}{row.ending}", kept | {"precision": precision}))
    return plan


@contextlib.contextmanager
def claim_outputs(folder: AnyPath, plan: list[Planned], overwrite: bool, inputs: Sequence[AnyPath]) -> Iterator[None]:
    """Returns a context in which no other process exports into a folder; see `files.outputs.claimed`.

    Raises:
        UserError: (before the work) a file would be replaced, or the folder's `REPORT` is something else.
    """
    with claimed([folder / name for planned in plan for name in planned.files], overwrite, inputs):
        read_report(folder)
        yield


def precision_on(dataset: Iterable, model: keras.Model) -> Callable[[object], dict]:
    """Returns a function of a detector -> {"metric": {"name", "file", "model", "difference"}}.

    The metric is the main one of the task (`Report.main`), on batches of `load_dataset`. Raises a UserError if nothing
    in the data set defines it.
    """
    name, of_model = evaluate(model, dataset, progress=False).main

    def compare(detector) -> dict:
        found = evaluate(detector, dataset, progress=False).metrics[name]
        return {"metric": {"name": name, "file": found, "model": of_model, "difference": found - of_model}}

    if of_model is None:
        raise UserError("evaluate: expected a split with objects, which average precision is measured by; got none.")
    return compare


def export_checked(
    model: keras.Model,
    folder: AnyPath,
    planned: Planned,
    images: list,
    calibration: str | os.PathLike | Iterable | None = None,
    precision: Callable | None = None,
    overwrite: bool = False,
) -> dict:
    """Exports, verifies against the model, then moves the files into place; returns and writes their report.

    Args:
        model, images: see `export_model`, also for errors; after one, nothing is left in the folder.
        folder: existing one; its `REPORT` gets the new entries.
        planned: what to write.
        calibration: as of `export_tflite`, where it is needed.
        precision: what `precision_on` returned, for formats that can be measured.
        overwrite: whether a folder of an earlier export may be replaced.

    Returns:
        {file name: {"format", "size_bytes", "agreement", "latency_ms" and what its runtime and `precision` add}}.
    """
    row, options = FORMATS[planned.format], dict(planned.options)
    if planned.is_calibrated:
        options["calibration"] = calibration
    measure = precision and row.detector and (lambda path: precision(row.detector(path)))
    _, reports = export_files(model, folder / planned.name, planned.format, images, measure, overwrite, **options)
    told = {"format": planned.format} | {key: options[key] for key in ("precision",) if key in options}
    reports = {name: told | entry for name, entry in reports.items()}
    entries = read_report(folder) | reports
    write_text(folder / REPORT, json.dumps(entries, indent=1))
    return reports


def read_report(folder: AnyPath) -> dict:
    """Returns the entries of a folder's report, if there is one; raises a UserError if the file is something else."""
    return _REPORT_FILE.read(folder / REPORT) if (folder / REPORT).exists() else {}
