"""Labelled pictures of any origin -> batches of padded objects, all tf.data.

A reader (`voc`, `coco`, `yolo`, `tfds`, `shapes`) returns a `Source`; `load_dataset` shuffles, decodes,
augments, warps, pads and batches it. Read `source.py` first: it defines the example.
"""

from keras_centernet.data.pipeline import load_dataset
from keras_centernet.data.source import Source

__all__ = ["Source", "load_dataset"]
