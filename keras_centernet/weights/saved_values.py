"""Arguments of a model that may be custom objects <-> what a file holds for them."""

import keras

from keras_centernet.errors import UserError
from keras_centernet.method.specs import Task


def to_saved(value: object) -> object:
    """Returns what a file holds for an argument: keys as they are, models and functions as Keras serialises them.

    Raises:
        UserError: a `Task` without `builder`, which no file can rebuild.
    """
    if isinstance(value, Task):
        if value.builder is None:
            raise UserError(
                f"task {value.name}: expected a registered function that rebuilds it from a file, got a Task without "
                "`builder`. Pass the function itself, CenterNet(task=build_mine, classes=...), or Task(builder=...)."
            )
        value = value.builder
    if isinstance(value, dict):
        return {key: to_saved(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str) else keras.saving.serialize_keras_object(value)


def from_saved(value: object, custom_objects: dict | None) -> object:
    """Returns the argument that `to_saved` turned into this value."""
    if not isinstance(value, dict):
        return value
    if "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return {key: from_saved(item, custom_objects) for key, item in value.items()}
