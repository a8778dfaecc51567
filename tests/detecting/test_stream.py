"""`detect` takes images from anywhere, in order, a few at a time."""

import functools
import gc
import http.server
import pathlib
import threading
import time
import warnings
import weakref

import cv2
import keras
import numpy as np
import PIL.Image
import pytest

from keras_centernet.detecting.ahead import map_ahead
from keras_centernet.errors import DataWarning, UserError
from tests.helpers.commands import make_film
from tests.helpers.tiny_backbone import TINY


@pytest.fixture(scope="module")
def model(tiny_model):
    return tiny_model()


@pytest.fixture
def images(rng):
    """Three images of different sizes."""
    return [rng.integers(0, 256, (40 + 8 * i, 60, 3), np.uint8) for i in range(3)]


@pytest.fixture
def folder(images, tmp_path):
    """The same images as lossless files."""
    path = tmp_path / "images"
    path.mkdir()
    for i, image in enumerate(images):
        cv2.imwrite(str(path / f"{i}.png"), image[..., ::-1])
    return path


def check_images(found, images):
    assert len(found) == len(images)
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(one.image, image)


SOURCES = {
    "list of arrays": lambda images, folder: images,
    "tuple": lambda images, folder: tuple(images),
    "generator": lambda images, folder: (image for image in images),
    "PIL": lambda images, folder: [PIL.Image.fromarray(image) for image in images],
    "tensors": lambda images, folder: [keras.ops.convert_to_tensor(image) for image in images],
    "folder": lambda images, folder: folder,
    "folder's name": lambda images, folder: str(folder),
    "glob": lambda images, folder: f"{folder}/*.png",
    "paths": lambda images, folder: sorted(folder.iterdir()),
    "a mixture": lambda images, folder: [images[0], folder / "1.png", [PIL.Image.fromarray(images[2])]],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", SOURCES)
def test_every_kind_of_source_gives_its_images_in_order(kind, stream, model, images, folder):
    found = model.detect(SOURCES[kind](images, folder), stream=stream, batch_size=2)
    assert isinstance(found, list) != stream
    check_images(list(found), images)


@pytest.mark.parametrize("convert", [np.asarray, keras.ops.convert_to_tensor], ids=["array", "tensor"])
def test_a_batch_is_as_many_images(convert, model, rng):
    batch = rng.integers(0, 256, (3, 40, 60, 3), np.uint8)
    check_images(model.detect(convert(batch)), batch)


def test_files_know_where_they_come_from(model, folder):
    assert [one.path for one in model.detect(folder)] == [str(folder / f"{i}.png") for i in range(3)]


def test_a_stream_finds_what_a_list_finds(model, images):
    for one, other in zip(
        model.detect(images, threshold=0), model.detect(images, threshold=0, stream=True), strict=True
    ):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


def test_a_video_is_its_frames(model, tmp_path):
    film = tmp_path / "a.avi"
    make_film(film)
    found = model.detect(film)
    assert len(found) > 1
    assert {one.path for one in found} == {str(film)}


def test_a_webcam_is_read_frame_by_frame_and_closed(model, monkeypatch):
    opened = []

    class Webcam:
        def __init__(self, number):
            opened.append(number)

        def isOpened(self):
            return True

        def get(self, _):
            return 10

        def read(self):
            return True, np.zeros((48, 64, 3), np.uint8)

        def release(self):
            opened.append("released")

    monkeypatch.setattr(cv2, "VideoCapture", Webcam)
    for source in (0, "rtsp://nowhere/1"):
        found = model.detect(source, stream=True)
        assert next(found).image.shape == (48, 64, 3)
        found.close()
        assert opened[-2:] == [source, "released"]


@pytest.fixture
def address(folder):
    """The address of a local web server of the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_image_from_the_web(model, images, address):
    check_images(model.detect([f"{address}/0.png", f"{address}/2.png?size=large"]), [images[0], images[2]])


def test_an_image_that_the_web_does_not_have_is_one_line(model, address):
    with pytest.raises(UserError, match=r"/9\.png: expected an image from the web: .*404.*; check the address"):
        model.detect(f"{address}/9.png")


def test_a_damaged_file_of_a_folder_is_counted_and_one_that_was_named_is_an_error(model, images, folder):
    (folder / "1.png").write_bytes(b"no image")
    with pytest.warns(DataWarning, match=r"1 images skipped; first: .*1\.png"):
        check_images(model.detect(folder), [images[0], images[2]])
    with pytest.raises(UserError, match=r"1\.png"):
        model.detect([folder / "1.png"])
    for path in folder.iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"0\.png"):
        model.detect(folder)


@pytest.mark.parametrize("source", [None, 1.5, {"a": 1}, b"bytes", -1, True])
def test_other_sources_are_one_line(source, model):
    with pytest.raises(UserError, match=r"^detect: expected a path, an address, a webcam's number"):
        model.detect(source)


@pytest.mark.parametrize("count", [1, 3])
def test_calibrations_are_one_per_entry(count, tiny_model, images):
    model = tiny_model(task="detection_3d", classes=None)
    matrices = [np.eye(3) * (i + 1) for i in range(count)]
    if count == 3:
        found = model.detect(images, matrices, threshold=0, top_k=5)
        assert [one.calibration[0, 0, 0] for one in found] == [1, 2, 3]
        return
    with pytest.raises(UserError, match=r"calibration: expected one matrix, or one per image \(3\), got 1"):
        model.detect(images, matrices)


@pytest.mark.slow
def test_two_thousand_frames_need_the_memory_of_a_few(model):
    alive, most = set(), 0

    def frames():
        for i in range(2000):
            frame = np.full((32, 32, 3), i % 256, np.uint8)
            alive.add(i)
            weakref.finalize(frame, alive.discard, i)
            yield frame
            del frame

    count = 0
    for found in model.detect(frames(), stream=True, batch_size=8):
        count += len(found) >= 0
        most = max(most, len(alive))
    del found
    gc.collect()
    assert count == 2000
    assert 0 < most < 60
    assert len(alive) == 0


def test_reading_ahead_is_bounded_and_keeps_the_order():
    begun, used = [], []

    def slow_at_first(number):
        time.sleep(0.02 * (number == 0))
        return number

    def numbers():
        for number in range(50):
            begun.append(number)
            yield number

    for number in map_ahead(slow_at_first, numbers(), ahead=3):
        used.append(number)
        assert len(begun) - len(used) < 3 + 8 + 2
    assert used == list(range(50))


def test_reading_goes_on_while_a_result_is_used():
    read = threading.Event()

    def items():
        yield 0
        yield 1
        read.set()

    for number in map_ahead(int, items(), ahead=4):
        assert number or read.wait(10)


def test_an_error_takes_the_place_of_its_result_and_threads_end():
    results = map_ahead(lambda number: 1 / (3 - number), range(10), ahead=2)
    assert [next(results) for _ in range(3)] == [1 / 3, 1 / 2, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)

    def broken():
        yield 1
        raise UserError("cut off")

    results = map_ahead(int, broken(), ahead=2)
    assert next(results) == 1
    with pytest.raises(UserError, match="cut off"):
        next(results)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("detect-")]


def test_predict_gives_fixed_shapes_as_keras_detectors_do(tiny_model, rng):
    model = tiny_model(TINY)
    images = rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = model.predict(images, batch_size=2, verbose=0)
    expected = {name: np.array(values) for name, values in model.detect_batch(images).items()}
    shapes = {name: values.shape for name, values in found.items()}
    assert shapes == {"boxes": (3, 100, 4), "labels": (3, 100), "confidence": (3, 100), "num_detections": (3,)}
    is_found = expected["scores"] >= 0.3
    np.testing.assert_array_equal(found["num_detections"], is_found.sum(axis=1))
    clipped = np.clip(expected["boxes_xyxy"], 0, 64)
    for name, values in {"boxes": clipped, "labels": expected["classes"], "confidence": expected["scores"]}.items():
        shape = (3, 100, *[1] * (values.ndim - 2))
        np.testing.assert_allclose(found[name], np.where(is_found.reshape(shape), values, -1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("path", ["street.jpg", pathlib.Path("street.jpg")])
def test_predict_of_a_path_advises_detect(tiny_model, path):
    with pytest.raises(
        UserError, match=r"predict: expected images \(B, H, W, 3\).* got .*street.jpg.*; detect takes paths"
    ):
        tiny_model(TINY).predict(path)
