"""Detection from the command line: images, folders, globs, videos."""

import json

import cv2
import matplotlib.pyplot
import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.cli import main
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.detecting.sources import find_inputs, name_of
from tests.helpers.commands import make_film
from tests.helpers.weights_server import serving


def predict(model_file, output, *inputs):
    return main(["predict", "--model", str(model_file), "--output", str(output), "--threshold", "0.01", *inputs])


def test_folder_glob_and_file(photos, model_file, tmp_path):
    images = photos / "JPEGImages"
    assert predict(model_file, tmp_path, str(images), f"{images}/photo1*.jpg", str(images / "photo2.jpg")) == 0
    results = json.loads((tmp_path / "detections.json").read_text())
    assert [result["path"] for result in results] == [str(images / f"photo{i}.jpg") for i in range(10)]
    assert results[0]["detections"]
    assert len(list(tmp_path.glob("photo*.jpg"))) == 10


def test_an_unreadable_image_is_skipped_and_counted(photos, model_file, tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.warns(UserWarning, match=r"1 images skipped; first: .*broken\.jpg"):
        code = predict(
            model_file, tmp_path / "out", str(tmp_path / "broken.jpg"), str(photos / "JPEGImages/photo0.jpg")
        )
    assert code == 0
    assert len(json.loads((tmp_path / "out" / "detections.json").read_text())) == 1


def test_video(model_file, tmp_path, rng):
    film = str(tmp_path / "film.avi")
    writer = cv2.VideoWriter(film, cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for _ in range(4):
        writer.write(rng.integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    assert predict(model_file, tmp_path / "out", film, "--frames", "3") == 0
    results = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [(result["path"], result["frame"]) for result in results] == [(film, 0), (film, 1), (film, 2)]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "film_detections.mp4"))
    assert int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) == 3


def test_equal_names_of_different_folders_do_not_overwrite_each_other(photos, model_file, tmp_path):
    image = (photos / "JPEGImages/photo0.jpg").read_bytes()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.jpg").write_bytes(image)
    assert predict(model_file, tmp_path / "out", str(tmp_path / "a"), str(tmp_path / "b")) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jpg")) == ["same.jpg", "same_2.jpg"]


def test_a_file_that_exists_is_that_file(photos, tmp_path):
    images = [tmp_path / name for name in ("img[1].jpg", "what?.jpg", "img1.jpg")]
    for image in images:
        image.write_bytes((photos / "JPEGImages/photo0.jpg").read_bytes())
    for image in images:
        assert find_inputs([str(image)]) == ([image], [])
    assert find_inputs([str(tmp_path / "img*.jpg")]) == ([images[2], images[0]], [])


def test_numbers_are_webcams(photos):
    images, videos = find_inputs(["0", str(photos / "JPEGImages")])
    assert videos == [0]
    assert len(images) == 10


def test_every_image_that_can_be_read_is_found(tmp_path):
    for suffix in IMAGE_SUFFIXES:
        (tmp_path / f"image{suffix}").write_bytes(b"")
    images, videos = find_inputs([str(tmp_path), str(tmp_path / "image.gif")])
    assert {path.suffix for path in images} == set(IMAGE_SUFFIXES)
    assert videos == []


def test_detects_in_images_from_the_web_and_counts_missing_ones(photos, model_file, tmp_path):
    with serving() as server:
        server.files = {name: (photos / "JPEGImages/photo0.jpg").read_bytes() for name in ("a.jpg", "b.jpg?size=1")}
        inputs = [f"{server.address}/{name}" for name in ("a.jpg", "b.jpg?size=1", "c.jpg", "d/a.jpg")]
        with pytest.warns(UserWarning, match=r"1 images skipped; first: .*/c\.jpg: expected an image from the web"):
            assert predict(model_file, tmp_path / "out", *inputs, "--save-txt") == 0
    results = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [result["path"] for result in results] == [inputs[0], inputs[1], inputs[3]]
    assert predict(model_file, tmp_path / "local", str(photos / "JPEGImages/photo0.jpg")) == 0
    (local,) = json.loads((tmp_path / "local" / "detections.json").read_text())
    assert all(result["detections"] == local["detections"] for result in results)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.jpg")) == ["a.jpg", "a_2.jpg", "b.jpg"]
    assert sorted(path.name for path in (tmp_path / "out/labels").iterdir()) == ["a.txt", "a_2.txt", "b.txt"]


def test_addresses_of_images_and_of_videos_are_told_apart():
    images = ["https://x.org/a.jpg", "http://x.org/photo?id=3", "http://x.org"]
    videos = ["https://x.org/a.MP4?id=3", "http://cam/live.m3u8", "http://cam/video.mjpg", "rtsp://cam/1"]
    assert find_inputs([*images, *videos]) == (images, videos)
    assert [name_of(image) for image in images] == ["a.jpg", "photo", "address"]


def test_nothing_found():
    with pytest.raises(UserError, match="nowhere: expected an image"):
        find_inputs(["nowhere"])


def test_the_classes_option_keeps_only_those_classes(photos, model_file, tmp_path):
    assert predict(model_file, tmp_path, str(photos / "JPEGImages"), "--classes", "dog", "--no-draw") == 0
    results = json.loads((tmp_path / "detections.json").read_text())
    assert {one["class_name"] for result in results for one in result["detections"]} == {"dog"}


def test_an_unknown_class_is_one_line(photos, model_file, tmp_path, capsys):
    assert predict(model_file, tmp_path, str(photos / "JPEGImages"), "--classes", "dog,cow") == 2
    assert "--classes: expected names of the model's classes (cat, dog), got 'cow'." in capsys.readouterr().err


def test_nms_leaves_no_overlap_within_a_class(photos, model_file, tmp_path):
    overlaps = {}
    for name, options in {"without": [], "with": ["--nms", "0.3"]}.items():
        assert predict(model_file, tmp_path / name, str(photos / "JPEGImages"), "--no-draw", *options) == 0
        results = json.loads((tmp_path / name / "detections.json").read_text())
        overlaps[name] = max(largest_iou(result["detections"]) for result in results)
    assert overlaps["with"] <= 0.3 + 1e-6 < overlaps["without"]


def largest_iou(rows):
    """The largest IoU of two boxes of one class, by a slow loop."""
    largest = 0
    for i, one in enumerate(rows):
        for other in rows[:i]:
            if one["class_index"] == other["class_index"]:
                (a, b, c, d), (e, f, g, h) = one["box_xyxy"], other["box_xyxy"]
                common = max(0, min(c, g) - max(a, e)) * max(0, min(d, h) - max(b, f))
                largest = max(largest, common / ((c - a) * (d - b) + (g - e) * (h - f) - common))
    return largest


def test_labels_and_crops_of_equal_names_do_not_overwrite_each_other(photos, model_file, tmp_path):
    for folder, suffix in (("a", "jpg"), ("b", "png")):
        (tmp_path / folder).mkdir()
        image = cv2.imread(str(photos / "JPEGImages/photo0.jpg"))
        cv2.imwrite(str(tmp_path / folder / f"same.{suffix}"), image)
    out = tmp_path / "out"
    inputs = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert predict(model_file, out, *inputs, "--save-txt", "--save-crops", "--no-draw") == 0
    results = json.loads((out / "detections.json").read_text())
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["same.txt", "same_2.txt"]
    for name, result in zip(("same", "same_2"), results, strict=True):
        count = len(result["detections"])
        assert len((out / "labels" / f"{name}.txt").read_text().splitlines()) == count
        assert len(list((out / "crops").glob(f"{name}-*.jpg"))) == count
    assert not set((out / "crops").glob("same_2-*")) & set((out / "crops").glob("same-*"))


@pytest.mark.parametrize("option", ["--save-txt", "--save-crops"])
def test_files_of_the_user_are_not_replaced(option, photos, model_file, tmp_path, capsys):
    for name in ("labels", "crops"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("mine")
    assert predict(model_file, tmp_path, str(photos / "JPEGImages"), option) == 2
    assert f"{option} {tmp_path}" in capsys.readouterr().err
    assert not (tmp_path / "detections.json").exists()


def test_every_3_detects_in_each_third_frame(model_file, tmp_path):
    make_film(tmp_path / "film.avi")
    out = tmp_path / "out"
    assert predict(model_file, out, str(tmp_path / "film.avi"), "--every", "3", "--save-txt") == 0
    assert [result["frame"] for result in json.loads((out / "detections.json").read_text())] == [0, 3]
    assert sorted(path.name for path in (out / "labels").iterdir()) == ["film_000000.txt", "film_000003.txt"]


def test_show_without_a_display_is_one_line(photos, model_file, tmp_path, capsys):
    matplotlib.pyplot.switch_backend("agg")
    assert predict(model_file, tmp_path, str(photos / "JPEGImages/photo0.jpg"), "--show") == 2
    assert "show: expected a notebook or a display" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--classes", "dog"], ["--nms", "0.5"], ["--every", "2"], ["--save-txt"], ["--track"]]
)
def test_a_shard_refuses_options_that_it_cannot_combine_with(options, photos, model_file, tmp_path, capsys):
    assert predict(model_file, tmp_path, str(photos / "JPEGImages"), "--shard", "0/2", *options) == 2
    assert f"{options[0]}: expected without --shard, got both" in capsys.readouterr().err
