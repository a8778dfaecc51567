"""Drawings: boxes and keypoints on images, 3D boxes from the camera and from above, grids of examples, curves."""

from keras_centernet.drawing.birds_eye import draw_birds_eye
from keras_centernet.drawing.boxes import draw_boxes, paint_boxes
from keras_centernet.drawing.charts.curves import draw_curves, draw_precision_recall
from keras_centernet.drawing.image_file import check_rgb, write_image
