"""The tasks: what is predicted at the centre point of an object."""

from keras_centernet.tasks.classes import COCO_CLASSES
from keras_centernet.tasks.table import TASKS, TaskRow
