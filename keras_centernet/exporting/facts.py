"""What a file says about itself, for people who look into it and for programs that run it."""

from collections.abc import Mapping

import keras

import keras_centernet
from keras_centernet.about import About
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.paths import AnyPath

# {fact: its schema}; files that an earlier version wrote lack some.
FACTS = {
    "keras_centernet": str,
    "backbone": str,
    "task": str,
    "task_options": ({str: object}, None),
    "classes": [str],
    "input_hw": [int],
    "thresholds": {str: object},
    "boxes": str,
    "licence": str,
    "metrics": {str: object},
}
NEEDED = ("task", "classes", "input_hw")  # to detect with a file
FACTS_FILE = JsonFormat({f"{name}?": kind for name, kind in FACTS.items()} | {"?": object}, "export the file anew")


def describe(model: keras.Model) -> dict:
    """Returns the facts of a model, as values for JSON.

    They are {"keras_centernet": version that wrote the file, "backbone", "task", "task_options", "classes": names in
    order, "input_hw": height and width that images are letterboxed to}; if the model has them, also "thresholds":
    {class name: lowest score that counts}, and "licence" and "metrics" of `model.about`. The format adds the frame of
    its "boxes".
    """
    return {
        "keras_centernet": keras_centernet.__version__,
        "backbone": model.backbone_name,
        "task": model.task.name,
        "task_options": model.task_options,
        "classes": list(model.classes),
        "input_hw": list(model.input_size),
        **({"thresholds": model.thresholds} if model.thresholds else {}),
    } | model.about.to_dict()


def from_text(name: str, text: str, path: AnyPath | str):
    """Returns a fact from its text, which is JSON unless the fact is a text; raises a UserError for other content."""
    return text if FACTS[name] is str else FACTS_FILE.parse_any(text, f"{path}: {name}")


def check_facts(content: Mapping, path: AnyPath | str) -> dict:
    """Returns the known facts of a file's content, in the order of `FACTS`; raises a UserError if one has another type.

    Args:
        content: of any file; other keys are ignored.
        path: of the file, for messages.
    """
    content = {name: content[name] for name in FACTS if content.get(name) is not None}
    FACTS_FILE.check(content, path)
    try:
        About.from_dict(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return content


def check_runnable(content: Mapping, path: AnyPath | str) -> dict:
    """Returns the facts of a file, which must include all that is needed to detect with it.

    Raises:
        UserError: facts are missing, as in files that others wrote, or have other types.
    """
    if not all(name in content for name in NEEDED):
        problem = "got one that does not say its task, classes and input size"
        raise UserError(f"{path}: expected a file that this package exported, {problem}; export the model anew.")
    FACTS_FILE.check({name: content[name] for name in NEEDED}, path)
    facts = check_facts(content, path)
    if len(facts["input_hw"]) != 2 or 0 in facts["input_hw"]:
        raise UserError(f"{path}: expected input_hw of a height and a width, got {facts['input_hw']}; export it anew.")
    return facts
