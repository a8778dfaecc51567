"""What an exported file says of itself, for those who look into it and for programs that run it."""

from collections.abc import Mapping

import keras_centernet
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.paths import AnyPath

FACTS = JsonFormat(
    {"task": str, "task_options?": ({str: object}, None), "classes": [str], "input_hw": [int], "?": object},
    advice="export the model anew",
)


def describe(model) -> dict:
    """Returns {"keras_centernet": version that wrote the file, "backbone", "task", "task_options", "classes": names in
    order, "input_hw": height and width that images are letterboxed to}; the format adds the frame of its "boxes"."""
    return {
        "keras_centernet": keras_centernet.__version__,
        "backbone": model.backbone_name,
        "task": model.task.name,
        "task_options": model.task_options,
        "classes": list(model.classes),
        "input_hw": list(model.input_size),
    }


def check_facts(facts: Mapping, name: AnyPath | str) -> dict:
    """Returns what a file says of itself, if that is what `describe` gave; `name` is that of the file.

    Raises:
        UserError: the file says nothing, as those of others, or something else.
    """
    if "task" not in facts:
        problem = "got one that does not say its task, classes and input size"
        raise UserError(f"{name}: expected a file that this package exported, {problem}; export the model anew.")
    facts = FACTS.check(dict(facts), name)
    if len(facts["input_hw"]) != 2 or 0 in facts["input_hw"]:
        raise UserError(f"{name}: expected input_hw of a height and a width, got {facts['input_hw']}; export it anew.")
    return facts
