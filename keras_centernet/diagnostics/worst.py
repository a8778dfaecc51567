"""The images with the most errors, drawn with truth and detections."""

import cv2
import numpy as np

from keras_centernet.diagnostics.diagnosis import Diagnosis
from keras_centernet.diagnostics.matching import Boxes
from keras_centernet.diagnostics.photos import read_photos
from keras_centernet.drawing.boxes import draw_boxes

WORST = 24
_SIDE = 400  # pixels of the longer side
_GAP = 6


def worst_images(diagnosis: Diagnosis) -> list[tuple[str, bytes | None, str]]:
    """Returns (name, JPEG file with truth left and detections right, errors) of the images with the most errors."""
    order = np.argsort(-diagnosis.errors.sum(axis=1), kind="stable")[:WORST]
    order = order[diagnosis.errors[order].sum(axis=1) > 0]
    photos = read_photos(diagnosis.source, diagnosis.image_ids[order].tolist())
    results = []
    for i in order:
        image_id, (missed, wrong) = int(diagnosis.image_ids[i]), diagnosis.errors[i]
        name, photo = photos.get(image_id, (f"image {image_id}", None))
        drawing = _draw(diagnosis, image_id, photo) if photo is not None else None
        results.append((name, drawing, f"{missed} missed, {wrong} wrong"))
    return results


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
