"""KITTI's three classes, in the order of the published heatmap channels."""

KITTI_CLASSES = ("Pedestrian", "Car", "Cyclist")
