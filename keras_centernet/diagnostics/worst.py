"""The images with the most errors, as they are, with truth and detections."""

import cv2
import numpy as np

from keras_centernet.data.images import read_image
from keras_centernet.diagnostics.diagnosis import Diagnosis
from keras_centernet.diagnostics.matching import Boxes
from keras_centernet.drawing.boxes import draw_boxes
from keras_centernet.errors import UserError

WORST = 24
_SIDE = 400  # pixels of the longer side
_GAP = 6


def worst_images(diagnosis: Diagnosis) -> list[tuple[str, bytes | None, str]]:
    """Returns (name, JPEG file with truth left and detections right, errors) of the images with the most errors."""
    order = np.argsort(-diagnosis.errors.sum(axis=1), kind="stable")[:WORST]
    order = order[diagnosis.errors[order].sum(axis=1) > 0]
    photos = _photos(diagnosis.source, diagnosis.image_ids[order].tolist())
    results = []
    for i in order:
        image_id, (missed, wrong) = int(diagnosis.image_ids[i]), diagnosis.errors[i]
        name, photo = photos.get(image_id, (f"image {image_id}", None))
        drawing = _draw(diagnosis, image_id, photo) if photo is not None else None
        results.append((name, drawing, f"{missed} missed, {wrong} wrong"))
    return results


def _photos(source, image_ids: list[int]) -> dict[int, tuple[str, np.ndarray | None]]:
    """Returns {image id: (name, (H, W, 3) uint8)}; of files, these alone are read, else the stream up to the last."""
    photos, annotations = {}, source.annotations
    if annotations is not None:
        places = {int(image_id): i for i, image_id in enumerate(annotations.image_ids)}
        for image_id in image_ids:
            name = annotations.image_names[places[image_id]]
            try:
                photos[image_id] = (name.rpartition("/")[2], read_image(name))
            except UserError:  # drawn by a program, so without a file
                continue
    wanted = set(image_ids) - set(photos)
    examples = iter(source.examples()) if wanted else iter(())
    for example in examples:
        image_id = int(example["image_id"])
        if image_id in wanted:
            photos[image_id] = (f"image {image_id}", example["image"].numpy())
            wanted.remove(image_id)
        if not wanted:
            break
    return photos


def _draw(diagnosis: Diagnosis, image_id: int, photo: np.ndarray) -> bytes:
    zoom = min(1.0, _SIDE / max(photo.shape[:2]))
    size_wh = tuple(max(1, round(side * zoom)) for side in photo.shape[1::-1])
    small = cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA)
    found = diagnosis.found[diagnosis.found.images == image_id]
    found = found[found.scores >= diagnosis.thresholds[found.classes]]
    found = found[np.argsort(-found.scores, kind="stable")]
    truth = diagnosis.truth[diagnosis.truth.images == image_id]

    def drawn(boxes: Boxes, texts: list[str]) -> np.ndarray:
        names = [f"{diagnosis.classes[i]}{text}" for i, text in zip(boxes.classes, texts, strict=True)]
        return draw_boxes(small, boxes.boxes_xyxy * zoom, boxes.classes, names, line_width=2)

    left = drawn(truth, [" (ignored)" if ignored else "" for ignored in truth.is_ignored])
    right = drawn(found, [f" {score:.2f}" for score in found.scores])
    both = np.concatenate([left, np.full((len(small), _GAP, 3), 255, np.uint8), right], axis=1)
    return cv2.imencode(".jpg", both[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
