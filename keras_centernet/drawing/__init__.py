"""Drawings: boxes on images and curves here; grids of examples and heatmaps in `grid`, which knows `Detections`."""

from keras_centernet.drawing.birds_eye import draw_birds_eye
from keras_centernet.drawing.boxes import draw_boxes, paint_boxes
from keras_centernet.drawing.curves import draw_curves, draw_precision_recall
from keras_centernet.drawing.image_file import write_image
