"""What an exported file says of itself, for those who look into it and for programs that run it."""

import keras_centernet


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
