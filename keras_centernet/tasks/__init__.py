"""The tasks: what the paper finds at a point."""

from keras_centernet.tasks.classes import COCO_CLASSES
from keras_centernet.tasks.table import TASKS, TaskRow
