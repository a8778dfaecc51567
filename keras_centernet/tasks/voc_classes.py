"""Pascal VOC's 20 classes, in the order of the published weights."""

VOC_CLASSES = tuple(
    """aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
    person, pottedplant, sheep, sofa, train, tvmonitor""".replace("\n    ", " ").split(", ")
)
