"""Writes texts of any script on images: printable ASCII by OpenCV, all others in fonts that have their letters."""

import functools

import numpy as np

from keras_centernet.drawing.fonts import runs_of, writable

_PIXELS_PER_SCALE = 30  # an em at scale 1, so that capitals are as high as OpenCV's
_SMALLEST = 9  # pixels


def measure_text(text: str, font_scale: float, weight: int) -> tuple[tuple[int, int], int]:
    """Returns ((width, height above the baseline), height below it) in pixels, as `cv2.getTextSize` does."""
    import cv2

    usual = cv2.getTextSize(text if _is_plain(text) else "Xg", cv2.FONT_HERSHEY_SIMPLEX, font_scale, weight)
    if _is_plain(text):
        return usual
    (_, height), below = usual
    veil, (left, top) = _letters(text, _pixels(font_scale))
    return (left + veil.shape[1], max(height, -top)), max(below, top + veil.shape[0])


def write_text(
    canvas: np.ndarray, text: str, baseline_xy: tuple[int, int], font_scale: float, color: tuple, weight: int
) -> None:
    """Writes a text into an image (H, W, 3) uint8 RGB from the start of its baseline on; it may leave the image."""
    import cv2

    if _is_plain(text):
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, baseline_xy, font, font_scale, color, weight, cv2.LINE_AA)
        return
    veil, (left, top) = _letters(text, _pixels(font_scale))
    left, top = left + baseline_xy[0], top + baseline_xy[1]
    first_x, first_y = max(-left, 0), max(-top, 0)
    part = canvas[top + first_y : max(top + len(veil), 0), left + first_x : max(left + veil.shape[1], 0)]
    share = veil[first_y : first_y + part.shape[0], first_x : first_x + part.shape[1], None]
    part[:] = np.round(part + share * (np.array(color, np.float32) - part)).astype(np.uint8)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _pixels(font_scale: float) -> int:
    return max(_SMALLEST, round(_PIXELS_PER_SCALE * font_scale))


@functools.lru_cache(maxsize=4096)
def _letters(text: str, pixels: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Returns (opacity (h, w) float32 of a text, (x, y) of its upper left corner from the baseline's start)."""
    from PIL import ImageFont

    masks, end = [], 0
    for path, part in runs_of(writable(text)):
        font = ImageFont.truetype(path, pixels)
        mask, offset_xy = font.getmask2(part, mode="L", anchor="ls")
        veil = np.array(mask, np.float32).reshape(mask.size[::-1]) / 255
        masks.append((veil, end + int(offset_xy[0]), int(offset_xy[1])))
        end += round(font.getlength(part))
    left, top = min(x for _, x, _ in masks), min(y for _, _, y in masks)
    right = max(x + veil.shape[1] for veil, x, _ in masks)
    lower = max(y + veil.shape[0] for veil, _, y in masks)
    opacity = np.zeros((lower - top, right - left), np.float32)
    for veil, x, y in masks:
        part = opacity[y - top :, x - left :][: veil.shape[0], : veil.shape[1]]
        np.maximum(part, veil, out=part)
    return opacity, (left, top)
