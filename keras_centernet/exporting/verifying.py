"""How far an exported file may be from the model, and the report of one that is close enough."""

import dataclasses
import statistics
import timeit

import keras

from keras_centernet.errors import UserError
from keras_centernet.exporting.agreement import Opened, compare, make_examples

TIMED_CALLS = 10


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far a file may be from the model; None: not limited.

    Attributes:
        missed: share of the model's detections that the file lacks, and of the file's that the model lacks.
        box_pixels_p98: limit of the 98th percentile of the boxes' differences. The largest is not limited: if two cells
            of an object have the same logit except for rounding, either may be its peak.
        score: largest difference of scores.
        others: largest share, over all other decoded outputs, of values that differ by more than 0.5 px (positions and
            vectors) or 0.001 times the larger of 1 and their size (the rest).
        mean_iou: least mean overlap of boxes.
        correlation: least correlation of every raw head over all cells; not required if the head's difference is at
            most `difference`.
        difference: largest difference of a raw head, as a share of its largest value, at which its correlation does not
            matter.
    """

    missed: float
    correlation: float
    difference: float
    box_pixels_p98: float | None = None
    score: float | None = None
    others: float | None = None
    mean_iou: float = 0.0


FLOAT32 = Tolerance(missed=0.02, correlation=0.9999, difference=1e-3, box_pixels_p98=0.5, score=1e-3, others=0.02)


def verify_opened(model: keras.Model, opened: Opened, images: list, tolerance: Tolerance, name: str) -> dict:
    """Returns {"agreement": see `compare`, "latency_ms": of one image} and the file's notes; `name` is for messages."""
    found = compare(model, opened, images)
    check_tolerance(found, tolerance, name)
    (example,) = make_examples(model, opened, images[:1])
    opened.runs[0](example)  # the first call is not timed
    seconds = statistics.median(timeit.repeat(lambda: opened.runs[0](example), number=1, repeat=TIMED_CALLS))
    return {**opened.notes, "agreement": found, "latency_ms": round(1000 * seconds, 2)}


def check_tolerance(found: dict, tolerance: Tolerance, name: str) -> None:
    """Raises a UserError if what `compare` found is beyond a tolerance, or if nothing could be compared."""
    if not found["detections"] and "heads" not in found:
        none = f"none of the {found['images']} image(s) has one whose score stands out from the lowest of its list"
        raise UserError(f"{name}: expected detections to compare, {none}. Give images with objects.")
    matched = found["detections"] - found["missed"]
    limits = [(key, found[key] / max(matched + found[key], 1), tolerance.missed) for key in ("missed", "added")]
    limits += [(key, found[key], getattr(tolerance, key)) for key in ("box_pixels_p98", "score", "others")]
    # Not "greater than": a difference may be NaN.
    wrong = [
        f"{key} of at most {most}, got {value:.4g}"
        for key, value, most in limits
        if not (most is None or value <= most)
    ]
    if not found["mean_iou"] >= tolerance.mean_iou:
        wrong.append(f"mean overlap of at least {tolerance.mean_iou}, got {found['mean_iou']:.4g}")
    for head, correlation in found.get("heads", {}).items():
        if not (correlation >= tolerance.correlation or found["head_differences"][head] <= tolerance.difference):
            wrong.append(f"correlation of {head} of at least {tolerance.correlation}, got {correlation:.4g}")
    if wrong:
        found_on = f"on {found['images']} image(s) it does not find what the model does"
        raise UserError(f"{name}: {found_on}: expected {'; '.join(wrong)}.")
