"""How good a detector is: the metrics of COCO, Pascal VOC and KITTI, each a row of the table in `metrics`."""

from keras_centernet.evaluation.callback import AveragePrecision
from keras_centernet.evaluation.evaluate import evaluate
from keras_centernet.evaluation.metrics.coco import coco_average_precision
from keras_centernet.evaluation.metrics.voc import voc_average_precision
from keras_centernet.evaluation.report import Report
