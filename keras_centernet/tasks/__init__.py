"""The tasks: what the paper finds at a point. A new task is a file here and a line in `TASKS`."""

from keras_centernet.tasks.coco_classes import COCO_CLASSES
from keras_centernet.tasks.detection import build_detection

TASKS = {"detection": build_detection}
DEFAULT_CLASSES = {"detection": COCO_CLASSES}
