"""Functions of Keras ops -> TFLite, made of operators that every runtime has."""

import re
import tempfile
from collections.abc import Callable

import keras

from keras_centernet.backbones import BACKBONES
from keras_centernet.errors import UserError
from keras_centernet.exporting.flatbuffer import SIGNATURE, custom_operators, read_flatbuffer

# What the converter says of operators that LiteRT lacks, and that it cannot compute in 8 bits.
_UNSUPPORTED = re.compile(r"(?:(?:TF Select|Custom) ops|not yet supported for op): '?([\w, ]+)")


def convert(
    function: Callable, inputs: dict[str, tuple], track=None, configure: Callable | None = None, backbone: str = ""
) -> bytes:
    """Returns a TFLite file of `function`, which must give a dict of tensors.

    The trace has the static shapes that it is told: with a dynamic batch, which is the default of Keras'
    own export, browsers refuse the file and CPUs run it several times slower. It goes through a SavedModel,
    because a concrete function of a Keras 3 model loses its weights on the way.

    Args:
        function: of one positional tensor per input.
        inputs: {name: shape} of float32 tensors, batch included.
        track: the network whose weights the function reads.
        configure: called with the `tf.lite.TFLiteConverter`.
        backbone: key of `BACKBONES`, for the message.

    Raises:
        UserError: an operator is not one of LiteRT's own.
    """
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    if track is not None:
        archive.track(track)
    signature = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in inputs.items()]
    archive.add_endpoint(SIGNATURE, function, input_signature=signature)
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if configure is not None:
            configure(converter)
        try:
            content = converter.convert()
        except Exception as error:  # the converter's own error class is not public
            names = _UNSUPPORTED.findall(str(error))
            if names:
                raise _not_builtin(", ".join(names), backbone) from error
            last_line = str(error).strip().splitlines()[-1]
            raise UserError(f"TFLite: {backbone} was not converted ({last_line}). {_advice(backbone)}") from error
    check_builtin(content, backbone)
    return content


def check_builtin(content: bytes, backbone: str = "", allowed: tuple[str, ...] = ()) -> None:
    """Raises a UserError where a TFLite file has TensorFlow's ("Flex") or custom operators.

    Args:
        content: the file.
        backbone: key of `BACKBONES`: a sibling without such operators is named.
        allowed: custom operators that may be there.
    """
    strangers = [name for name in custom_operators(read_flatbuffer(content)) if name not in allowed]
    if strangers:
        raise _not_builtin(", ".join(strangers), backbone)


def _not_builtin(operators: str, backbone: str) -> UserError:
    return UserError(
        f"TFLite: expected builtin operators only, got {operators}, which phones and browsers do not have. "
        f"{_advice(backbone)}"
    )


def _advice(backbone: str) -> str:
    """Names what goes to TFLite instead: the siblings of a network, or all others."""
    others = [name for name, row in BACKBONES.items() if row.exports and not row.deformable and name != backbone]
    siblings = [name for name in others if backbone and name.startswith(f"{backbone}_")]
    return f"Networks of common operators: {', '.join(siblings or others)}."
