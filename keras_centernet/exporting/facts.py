"""What a file says of itself, for those who look into it and for programs that run it."""

import keras_centernet
from keras_centernet.about import About
from keras_centernet.errors import UserError
from keras_centernet.files.json_file import JsonFormat
from keras_centernet.files.paths import AnyPath

# {fact: what it is}; files that were written by an earlier version lack some.
FACTS = {
    "keras_centernet": str,
    "backbone": str,
    "task": str,
    "task_options": ({str: object}, None),
    "classes": [str],
    "input_hw": [int],
    "boxes": str,
    "licence": str,
    "metrics": {str: object},
}
FACTS_FILE = JsonFormat({f"{name}?": kind for name, kind in FACTS.items()} | {"?": object}, "export the file anew")


def describe(model) -> dict:
    """Returns what is known of a model, in JSON's terms.

    {"keras_centernet": version that wrote the file, "backbone", "task", "task_options", "classes": names in order,
    "input_hw": height and width that images are letterboxed to, and of `model.about`, where specified, "licence" and
    "metrics"}; the format adds the frame of its "boxes".
    """
    return {
        "keras_centernet": keras_centernet.__version__,
        "backbone": model.backbone_name,
        "task": model.task.name,
        "task_options": model.task_options,
        "classes": list(model.classes),
        "input_hw": list(model.input_size),
    } | model.about.to_dict()


def from_text(name: str, text: str, path: AnyPath | str):
    """Returns a fact from its text, which is JSON for all but texts; a UserError where it is none."""
    return text if FACTS[name] is str else FACTS_FILE.parse_any(text, f"{path}: {name}")


def check_facts(content: dict, path: AnyPath | str) -> dict:
    """Returns the known facts of a file's content, in the order of `FACTS`; a UserError where one is of another kind.

    Args:
        content: of a file that may be anybody's; what else it holds is left alone.
        path: of the file, for messages.
    """
    content = {name: content[name] for name in FACTS if content.get(name) is not None}
    FACTS_FILE.check(content, path)
    try:
        About.from_dict(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    return content
