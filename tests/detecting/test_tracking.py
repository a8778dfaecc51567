"""Objects keep their numbers over the frames of a video, and over a folder's images in order."""

import dataclasses
import json
import sys
import types

import cv2
import numpy as np
import pytest

from keras_centernet import CenterNet, Detections, UserError
from keras_centernet.cli import main
from keras_centernet.detecting.files import FileDetector
from keras_centernet.detecting.stream import detect
from keras_centernet.detecting.tracking import Tracker
from keras_centernet.drawing.boxes import with_identities
from keras_centernet.method.specs import Task
from tests.helpers.tiny_backbone import TINY

MISSING = r"track: expected the package \w+, which is not installed\. Run `pip install .keras_centernet\[track\]."


@dataclasses.dataclass
class Given:
    """Stands in for `supervision.Detections`."""

    xyxy: np.ndarray
    confidence: np.ndarray
    data: dict
    tracker_id: np.ndarray | None = None

    def __len__(self):
        return len(self.xyxy)


class Nearest:
    """Stands in for `trackers.ByteTrackTracker`: an object within 15 pixels of a known one is that object."""

    def __init__(self, frame_rate, track_activation_threshold, **_):
        self.known, self.threshold = [], track_activation_threshold

    def update(self, given):
        ids = []
        for box, score in zip(given.xyxy, given.confidence, strict=True):
            near = [i for i, known in enumerate(self.known) if np.abs(known - box).max() < 15]
            ids.append(near[0] if near else -1)
            if near:
                self.known[near[0]] = box
            elif score >= self.threshold:
                self.known.append(box)
        return dataclasses.replace(given, tracker_id=np.array(ids, int))


@pytest.fixture(params=["trackers", "stand-in"])
def extra(request, monkeypatch):
    """The packages of the extra [track], or their stand-ins."""
    if request.param == "trackers":
        pytest.importorskip("trackers", reason="the extra [track] is not installed")
        return
    monkeypatch.setitem(sys.modules, "supervision", types.SimpleNamespace(Detections=Given))
    monkeypatch.setitem(sys.modules, "trackers", types.SimpleNamespace(ByteTrackTracker=Nearest))


def frame_of(number, cat=0.9, dog=0.5):
    """A cat that moves to the right and a dog that moves to the left."""
    boxes = [[10 + 4 * number, 20, 50 + 4 * number, 60], [200 - 5 * number, 100, 260 - 5 * number, 150]]
    order = np.argsort([-cat, -dog])
    rows = [(boxes[i], (cat, dog)[i], i, ("cat", "dog")[i]) for i in order]
    return Detections(*(list(column) for column in zip(*rows, strict=True)))


def test_objects_keep_their_numbers_though_their_order_changes(extra):
    tracker, numbers = Tracker(0.3), {}
    for i in range(6):
        found = tracker.follow(frame_of(i, cat=(0.9, 0.4)[i % 2]))
        for name, number in zip(found.class_names, found.track_ids.tolist(), strict=True):
            numbers.setdefault(name, []).append(number)
    assert numbers["cat"][0] == numbers["dog"][0] == -1
    assert {name: len(set(ids[1:])) for name, ids in numbers.items()} == {"cat": 1, "dog": 1}
    assert numbers["cat"][1] != numbers["dog"][1]
    assert min(numbers["cat"][1], numbers["dog"][1]) >= 0


def test_an_object_that_is_weak_or_gone_for_a_while_is_known_again(extra):
    tracker = Tracker(0.3)
    number = [tracker.follow(frame_of(i)) for i in range(3)][-1].filter(classes="dog").track_ids
    weak = tracker.follow(frame_of(3, dog=0.2))
    assert weak.class_names == ("cat",)  # the dog is followed, but not shown
    tracker.follow(frame_of(4)[:0])
    assert tracker.follow(frame_of(5)[:2]).filter(classes="dog").track_ids == number


def test_an_object_that_never_reached_the_threshold_is_not_followed(extra):
    tracker = Tracker(0.6)
    for i in range(4):
        found = tracker.follow(frame_of(i))
        assert found.class_names == ("cat",)
    assert found.track_ids.dtype == np.int32


class BrightSpot:
    """A model that finds the bright pixels as one object. Its input has the images' size."""

    classes, input_size = ("spot",), (64, 64)
    task = Task("detection", ("spot",), (), None)

    def detect_batch(self, images):
        rows = np.zeros((len(images), 1, 4), np.float32)
        for row, image in zip(rows, images, strict=True):
            y, x = np.nonzero(image[..., 0] > 150)
            row[0] = x.min(), y.min(), x.max() + 1, y.max() + 1
        shape = (len(images), 1)
        return {"boxes_xyxy": rows, "scores": np.full(shape, 0.8, "f"), "classes": np.zeros(shape, int)}


def spots(count=5, step=3):
    """Frames in which a bright square moves to the right."""
    for i in range(count):
        frame = np.full((64, 64, 3), 20, np.uint8)
        frame[20:40, 5 + step * i : 25 + step * i] = 250
        yield frame


def film(path):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for frame in spots():
        writer.write(frame)
    writer.release()
    return path


def ids_in(source, **options):
    model = BrightSpot()
    found = detect(model, model.detect_batch, source, None, 0.3, 2, stream=False, track=True, **options)
    return [one.track_ids.tolist() for one in found]


def test_a_generator_of_frames_is_followed(extra):
    assert ids_in(spots()) == [[-1], [0], [0], [0], [0]]


def test_each_video_begins_anew(extra, tmp_path):
    assert ids_in([film(tmp_path / "a.avi"), film(tmp_path / "b.avi")]) == [[-1], *[[0]] * 4, [-1], *[[0]] * 4]


def test_a_folder_of_images_is_a_sequence_and_the_next_one_another(extra, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for i, frame in enumerate(spots(3)):
            cv2.imwrite(str(tmp_path / folder / f"{i}.png"), frame)
    assert ids_in([tmp_path / "a", tmp_path / "b"]) == [[-1], [0], [0], [-1], [0], [0]]


def test_videos_of_the_command_are_followed_in_the_results_and_the_drawing(extra, tmp_path):
    drawn = tmp_path / "drawn.mp4"
    rows = FileDetector(BrightSpot(), 0.3, 2, track=True).in_frames("a", spots(), 10, drawn)
    assert [row["detections"][0]["track_ids"] for row in rows] == [-1, 0, 0, 0, 0]
    frames = read(drawn)
    plain = tmp_path / "plain.mp4"
    list(FileDetector(BrightSpot(), 0.3, 2).in_frames("a", spots(), 10, plain))
    differences = [np.abs(one - other).max() for one, other in zip(frames, read(plain), strict=True)]
    assert differences[0] < 30 < min(differences[1:])  # the object's number is drawn from the second frame on


def read(path):
    capture = cv2.VideoCapture(str(path))
    return [capture.read()[1].astype(int) for _ in range(5)]


def test_predict_track(extra, tiny_model, tmp_path):
    tiny_model().save(tmp_path / "best.keras")
    words = f"predict {film(tmp_path / 'a.avi')} --model {tmp_path}/best.keras --threshold 0.01 --no-draw --track"
    assert main([*words.split(), "--output", str(tmp_path / "out")]) == 0
    results = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert len(results) == 5
    assert all("track_ids" in row for result in results for row in result["detections"])


def test_labels_show_the_numbers_of_tracks():
    found = frame_of(0)
    assert with_identities(found, ["cat", "dog"]) == ["cat", "dog"]
    found.extras["track_ids"] = np.array([-1, 7])
    assert with_identities(found, ["cat", "dog"]) == ["cat", "#7 dog"]


@pytest.mark.parametrize("package", ["supervision", "trackers"])
def test_a_missing_package_is_one_line_at_once(package, extra, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, package, None)
    model = CenterNet(TINY, num_classes=2, input_size=64)
    with pytest.raises(UserError, match=MISSING):
        model.detect(spots(), stream=True, track=True)
    words = f"predict {film(tmp_path / 'a.avi')} --model nowhere.keras --track --output {tmp_path}/out".split()
    assert main(words) == 2
    assert 'pip install "keras_centernet[track]"' in capsys.readouterr().err
