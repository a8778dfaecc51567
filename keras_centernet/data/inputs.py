"""From an example to the network's input: where its picture goes, in training by chance, in tests as `views` say."""

import functools
from collections.abc import Callable

from keras_centernet.data import augment, tensor_warp
from keras_centernet.data.source import Source
from keras_centernet.data.views import RESIZES, to_view

AUGMENTATIONS = {
    "crop": augment.random_crop,
    "shift": augment.random_shift_scale,
    "zoom_half": augment.zoom_half,
    "none": augment.letterbox,
}


def build_training_input(
    source: Source, input_hw: tuple[int, int], augmentation: str, flip: float, rotation: float, is_tensor: bool = False
) -> Callable[[dict], dict]:
    """Returns the function from an example to the same in the input's frame, changed by its own "seed".

    Args:
        source: of the examples.
        input_hw: (height, width) of the input.
        augmentation: key of `AUGMENTATIONS`.
        flip, rotation: of `load_dataset`.
        is_tensor: whether TensorFlow alone resamples the pictures, and not OpenCV.
    """
    movers = source.tensor_movers if is_tensor else source.movers
    resample = tensor_warp.resample if is_tensor else augment.resample_by_opencv

    def to_input(example: dict) -> dict:
        example = AUGMENTATIONS[augmentation](example, input_hw)
        example = augment.random_flip(example, input_hw, flip) if flip else example
        example = augment.random_rotation(example, input_hw, rotation) if rotation else example
        return augment.warp(example, input_hw, movers, resample)

    return to_input


def build_test_input(
    source: Source, input_hw: tuple[int, int], resize: str, multiple_of: int, scale: float, is_tensor: bool = False
) -> Callable[[dict], dict]:
    """Returns the function from an example to the same in the input's frame, without chance.

    Args:
        source: of the examples.
        input_hw: (height, width) of the input, for "fit".
        resize: key of `views.RESIZES`.
        multiple_of, scale: of `load_dataset`.
        is_tensor: whether TensorFlow alone resamples the pictures; for "fit" at scale 1.
    """
    if is_tensor:
        return build_training_input(source, input_hw, "none", flip=0.0, rotation=0.0, is_tensor=True)
    place = RESIZES[resize](input_hw, multiple_of, scale)
    return functools.partial(to_view, place=place, movers=source.movers, clock=source.clock)
