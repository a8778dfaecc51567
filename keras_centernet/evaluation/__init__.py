"""How good a detector is: metrics of COCO, Pascal VOC and KITTI, in `metrics` one row of a table each."""

from keras_centernet.evaluation.callback import AveragePrecision
from keras_centernet.evaluation.evaluate import evaluate
from keras_centernet.evaluation.metrics.coco import coco_average_precision
from keras_centernet.evaluation.metrics.voc import voc_average_precision
from keras_centernet.evaluation.report import Report
