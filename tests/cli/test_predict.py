"""Detection from the command line: images, folders, globs, videos."""

import json

import cv2
import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.cli import main
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.detecting.sources import find_inputs


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


def test_nothing_found():
    with pytest.raises(UserError, match="nowhere: expected an image"):
        find_inputs(["nowhere"])
