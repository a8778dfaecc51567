"""Identities of objects over the frames of a video, or over a folder's images in order, by ByteTrack.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", in the package trackers.
"""

import contextlib
import dataclasses
from collections.abc import Iterator

import numpy as np

from keras_centernet.detecting.conversions import TRACK_IDS
from keras_centernet.detecting.thresholds import lowest_scores
from keras_centernet.errors import UserError
from keras_centernet.packages import import_package

WHAT = "track"  # the argument that messages about missing packages name
# Objects that score below the threshold, but at least this much, are tracked without being shown: ByteTrack's idea.
LOWEST_SCORE = 0.1
USUAL_RATE = 30.0  # frames per second where the images are not a video
NOT_FOLLOWED = -1


def check_tracking() -> None:
    """Raises a UserError that names the extra if its packages are missing."""
    import_package(WHAT, "supervision")
    import_package(WHAT, "trackers")


def lowest_asked(model, threshold: float | None, track: bool) -> float | None:
    """Returns the threshold to detect with: with `track` at most `LOWEST_SCORE`, for ByteTrack uses weak detections."""
    return min(float(lowest_scores(model, threshold).min()), LOWEST_SCORE) if track else threshold


class Tracker:
    """Tracks the objects of one video.

    Args:
        lowest: lowest score that is shown, a number or (C,) for the classes; a new identity needs the smallest of them.
        rate: frames per second; None: 30. An object that is lost for a second is forgotten.
    """

    def __init__(self, lowest: float | np.ndarray, rate: float | None = None):
        self._detections, self._lowest = import_package(WHAT, "supervision").Detections, np.asarray(lowest)
        threshold = float(np.min(lowest))
        self._tracker = import_package(WHAT, "trackers").ByteTrackTracker(
            frame_rate=rate or USUAL_RATE,
            track_activation_threshold=threshold,
            high_conf_det_threshold=threshold,
            minimum_consecutive_frames=1,
        )

    def follow(self, found):
        """Returns the next frame's `Detections` that score at least `lowest`, with the extra "track_ids" (N,) int32.

        An object gets its number when it is seen for the second time, and keeps it; until then it has -1.
        """
        given = self._detections(
            xyxy=found.boxes_xyxy.astype(float), confidence=found.scores, data={"row": np.arange(len(found))}
        )
        followed = self._tracker.update(given)
        ids = np.full(len(found), NOT_FOLLOWED, np.int32)
        if len(followed):
            ids[followed.data["row"]] = followed.tracker_id
        lowest = self._lowest[found.classes] if self._lowest.ndim else self._lowest
        return dataclasses.replace(found, extras=found.extras | {TRACK_IDS: ids})[found.scores >= lowest]


def track_items(found: Iterator[tuple], lowest: np.ndarray) -> Iterator[tuple]:
    """Yields the pairs of `detect_items` with identities, which start again in each video and each folder of images.

    Args:
        found: (`Item`, its `Detections` down to `lowest_asked`, or a UserError).
        lowest: (C,) lowest score of each class that is kept, see `lowest_scores`.
    """
    tracker, followed = None, None
    with contextlib.closing(found):
        for item, one in found:
            if isinstance(one, UserError):
                yield item, one
                continue
            if tracker is None or item.sequence != followed:
                tracker, followed = Tracker(lowest, item.rate), item.sequence
            yield item, tracker.follow(one)
