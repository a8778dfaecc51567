"""Names of the classes of COCO, KITTI and Pascal VOC, in the order of the published heatmap channels."""

from collections.abc import Sequence

from keras_centernet.errors import UserError, shown
from keras_centernet.limits import Limits

MOST_CLASSES = 1 << 16
CLASSES = Limits(whole=True, at_least=1, at_most=MOST_CLASSES)
_COCO = """person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, surfboard,
tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, mouse, remote,
keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
hair drier, toothbrush"""
_VOC = """aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike,
person, pottedplant, sheep, sofa, train, tvmonitor"""

COCO_CLASSES = tuple(_COCO.replace("\n", " ").split(", "))
KITTI_CLASSES = ("Pedestrian", "Car", "Cyclist")
VOC_CLASSES = tuple(_VOC.replace("\n", " ").split(", "))


def class_names(classes: Sequence[str] | None, num_classes: int | None, default: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the names of the classes from what a user gave: names, a number, or nothing (the default).

    Raises:
        UserError: the names are one string, a name occurs twice, `num_classes` is not the number of names, or there are
            no classes or more than 65,536.
    """
    check_name_list(classes)
    if classes is not None:
        classes = tuple(str(name) for name in classes)
        check_class_count(len(classes))
        if not classes or len(set(classes)) != len(classes):
            raise UserError(f"classes: expected at least one name and no name twice, got {shown(classes)}.")
        if num_classes not in (None, len(classes)):
            raise UserError(f"num_classes={num_classes}, but {len(classes)} classes were named: pass only one of them.")
        return classes
    if num_classes is None:
        return default
    return tuple(str(i) for i in range(CLASSES.check("num_classes", num_classes)))


def check_name_list(classes: Sequence[str] | None) -> None:
    """Raises a UserError if names of classes are one string, whose characters would be taken for names."""
    if isinstance(classes, str):
        raise UserError(f'classes: expected a list of names, such as ["cat"], got {shown(classes)}; pass a list.')


def check_class_count(count: int) -> None:
    """Raises a UserError if there are more than `MOST_CLASSES` classes."""
    if count > MOST_CLASSES:
        raise UserError(f"classes: expected at most {MOST_CLASSES}, got {count}.")
