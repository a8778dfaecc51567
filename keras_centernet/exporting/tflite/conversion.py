"""Functions of Keras ops -> TFLite, made of operators that every runtime has."""

import contextlib
import logging
import re
import warnings
from collections.abc import Callable, Iterator

from keras_centernet.errors import UserError
from keras_centernet.exporting.tflite import flatbuffer
from keras_centernet.method.specs import identity
from keras_centernet.networks.table import BACKBONES

# What the converter says about operators that LiteRT lacks, or cannot compute in 8 bits.
_UNSUPPORTED = re.compile(r"(?:(?:TF Select|Custom) ops|not yet supported for op): '?([\w, ]+)")


def convert(
    function: Callable,
    inputs: dict[str, tuple],
    configure: Callable = lambda converter: None,
    backbone: str = "",
    finish: Callable = identity,
) -> bytes:
    """Returns a TFLite file of `function`, which must return a dict of tensors; the outputs are named by its keys.

    The trace has static shapes: with a dynamic batch, the default of Keras' own export, browsers refuse the file and
    CPUs run it several times slower. Weights are made constants first: the converter does not find those of Keras 3,
    and the way through a SavedModel, where it does, takes six times as long.

    Args:
        function: of one positional tensor per input.
        inputs: {name: shape} of float32 tensors, batch included.
        configure: called with the `tf.lite.TFLiteConverter`.
        backbone: key of `BACKBONES`, for the UserError that names operators which are not LiteRT's own.
        finish: function of the bytes that the converter gives -> a TFLite file.
    """
    import tensorflow as tf

    constants, names = _trace(function, inputs)
    with _without_advice():
        converter = tf.lite.TFLiteConverter.from_concrete_functions([constants])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    configure(converter)
    content = finish(_run(converter, backbone))
    check_builtin(content, backbone)
    graph = flatbuffer.read_flatbuffer(content)
    tensors = flatbuffer.outputs_by_name(graph)
    outputs = {name: tensors[tensor] for name, tensor in names.items()}
    flatbuffer.set_interface(graph, flatbuffer.inputs_by_name(graph), outputs)
    return flatbuffer.write_flatbuffer(graph)


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Returns a context in which TensorFlow does not print that this way of converting is the older one."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _trace(function: Callable, inputs: dict[str, tuple]) -> tuple:
    """Returns (concrete function without variables, {output: name of its tensor there})."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()]
    traced = tf.function(function, autograph=False).get_concrete_function(*signature)
    constants = convert_variables_to_constants_v2(traced)
    outputs = sorted(traced.structured_outputs)  # the order in which TensorFlow flattens a dict
    return constants, {name: tensor.name.split(":")[0] for name, tensor in zip(outputs, constants.outputs, strict=True)}


def _run(converter, backbone: str) -> bytes:
    try:
        with warnings.catch_warnings():  # about ranges, which are measured on images
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected", UserWarning)
            return converter.convert()
    except Exception as error:  # the converter's own error class is not public
        if names := _UNSUPPORTED.findall(str(error)):
            raise _not_builtin(names, backbone) from error
        last_line = str(error).strip().splitlines()[-1]
        raise UserError(f"TFLite: {backbone} was not converted ({last_line}). {_advice(backbone)}") from error


def check_builtin(content: bytes, backbone: str = "", allowed: tuple[str, ...] = ()) -> None:
    """Raises a UserError if a TFLite file has TensorFlow's ("Flex") or custom operators, except those `allowed`.

    `backbone` is a key of `BACKBONES`: the message names its siblings without such operators.
    """
    custom = flatbuffer.custom_operators(flatbuffer.read_flatbuffer(content))
    if strangers := [name for name in custom if name not in allowed]:
        raise _not_builtin(strangers, backbone)


def _not_builtin(names: list[str], backbone: str) -> UserError:
    which = f"got {', '.join(names)}, which phones and browsers do not have"
    return UserError(f"TFLite: expected builtin operators only, {which}. {_advice(backbone)}")


def _advice(backbone: str) -> str:
    """Returns which networks can be converted instead: the siblings of this one, or all others."""
    others = [name for name, row in BACKBONES.items() if row.exports and not row.deformable and name != backbone]
    siblings = [name for name in others if backbone and name.startswith(f"{backbone}_")]
    return f"Networks of common operators: {', '.join(siblings or others)}."
