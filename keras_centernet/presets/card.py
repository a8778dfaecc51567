"""A model's card: what it finds, how well, and how to load it, as a README.md that hubs understand."""

import dataclasses
import os

from keras_centernet.errors import UserError
from keras_centernet.files.json_file import read_json
from keras_centernet.files.paths import to_path
from keras_centernet.files.texts import read_content
from keras_centernet.model import CenterNet
from keras_centernet.networks.cost import count_parameters
from keras_centernet.runs.folder import CONFIG, CONFIG_FILE, DETECTIONS, METRICS, METRICS_MARK
from keras_centernet.tasks.table import TASKS, TaskRow

IMAGE = "detections.png"
NO_LICENCE = "not chosen yet: ask the author before you use it"
_CLASSES = 100  # names that are listed
SETTINGS = ("data", "epochs", "batch_size", "optimizer", "learning_rate", "seed", "recipe")

CARD = """---
{header}
---

# {title}

{task} with CenterNet ("Objects as Points") in Keras 3: {backbone}, {parameters:,} parameters, input {height}x{width}.

{image}## How to load it

```python
import keras_centernet

model = keras_centernet.CenterNet.from_preset("hf://USER/NAME")  # or this folder
for found in model.detect(["street.jpg"]):
    print(found.boxes_xyxy, found.scores, found.class_names)
```

## Classes

{count}: {classes}.

{training}{metrics}## Licence

{licence}

## Citation

Zhou, Wang, Kraehenbuehl: Objects as Points, arXiv:1904.07850, 2019.
"""


@dataclasses.dataclass(frozen=True)
class Run:
    """What a card says about a training.

    Attributes:
        settings: {option: value}.
        metrics: {name: number}.
        image: bytes of a PNG of detections; None: there is none.
    """

    settings: dict = dataclasses.field(default_factory=dict)
    metrics: dict = dataclasses.field(default_factory=dict)
    image: bytes | None = None


def read_run(folder: str | os.PathLike) -> Run:
    """Returns what the folder of a run says about the training; metrics and image only if it ended.

    Raises:
        UserError: it is not the folder of a run.
    """
    folder = to_path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: expected the folder of a run, got none.")
    config = CONFIG_FILE.read(folder / CONFIG)
    settings = {name: config[name] for name in SETTINGS if config.get(name) is not None}
    metrics = read_json(folder / METRICS) if (folder / METRICS).exists() else {}
    metrics.pop(METRICS_MARK, None)
    numbers = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
    image = read_content(folder / DETECTIONS) if (folder / DETECTIONS).exists() else None
    return Run(settings, numbers, image)


def write_card(model: CenterNet, run: Run) -> str:
    """Returns the text of a model's card; see `save_to_preset`."""
    licence = model.about.licence
    task, (height, width) = model.task.name, model.input_size
    pipeline = TASKS[task].hub_name if task in TASKS else TaskRow.hub_name
    header = [f"pipeline_tag: {pipeline}", "library_name: keras", "tags: [keras, centernet, keras_centernet]"]
    if licence:
        header.insert(0, f"license: {_one_line(licence)}")
    names = ", ".join(map(_one_line, model.classes[:_CLASSES]))
    return CARD.format(
        header="\n".join(header),
        title=f"CenterNet {model.backbone_name}, {task}",
        task=task.replace("_", " ").capitalize(),
        backbone=model.backbone_name,
        parameters=count_parameters(model.network),
        height=height,
        width=width,
        image=f"![Detections on images of the validation split]({IMAGE})\n\n" if run.image else "",
        count=len(model.classes),
        classes=names + (", ..." if len(model.classes) > _CLASSES else ""),
        training=_table("Training", "option", run.settings),
        metrics=_table("Metrics of the validation split", "metric", run.metrics or model.about.metrics),
        licence=_one_line(licence) if licence else NO_LICENCE,
    )


def _table(title: str, what: str, rows: dict) -> str:
    """Returns a section with a table of two columns; "" if there are no rows."""
    if not rows:
        return ""
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return "\n".join([f"## {title}", "", f"| {what} | value |", "|---|---|", *lines, "", ""])


def _cell(value) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else _one_line(value)
    return text.replace("|", "\\|")


def _one_line(value) -> str:
    return " ".join(str(value).split())
