"""The page in a headless Chromium, used as a user would, compared with the model; drive.html runs the steps."""

import contextlib
import functools
import http.server
import json
import pathlib
import queue
import re
import shutil
import subprocess
import threading
import urllib.parse
import warnings

import cv2
import numpy as np
import pytest

from keras_centernet.drawing.boxes import PALETTE
from keras_centernet.errors import DataWarning
from keras_centernet.exporting import TFLiteDetector
from tests.exporting.conftest import random_model

WEB = pathlib.Path(__file__).parents[2] / "export" / "web"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",  # needed to run as root, as in containers
    "--disable-dev-shm-usage",  # /dev/shm is small in containers
    "--disable-gpu",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no network
)
LONGEST = 240  # seconds; it takes about ten
EXACT = 0.02  # px
TASKS = ("detection", "detection_3d", "pose")
LOWEST = 0.05  # score; low, because the model is untrained
MORE = {
    "detection": set(),
    "detection_3d": {"locations", "dimensions", "rotation_y", "alpha", "calibration"},
    "pose": {"keypoints_xy", "keypoint_scores"},
}
END_OF_LIST = 0.01  # in score; detections that close to the last one may be cut off the list

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
    pytest.mark.skipif(not (WEB / "node_modules/@litertjs").exists(), reason="no LiteRT: npm ci --prefix export/web"),
]


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the page, the page that drives it, and the files; puts the answers into a queue."""

    def __init__(self, *args, files, answers, **kwargs):
        self.files, self.answers = files, answers
        super().__init__(*args, directory=WEB, **kwargs)

    def translate_path(self, path):
        path = urllib.parse.unquote(urllib.parse.urlsplit(path).path)
        return str(self.files.get(path.removeprefix("/files/"), super().translate_path(path)))

    def do_POST(self):
        self.answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """browse(steps, {name: path}, query) -> [the page's state after each step]."""

    def run(steps, files, query=""):
        folder, answers = tmp_path_factory.mktemp("browser"), queue.Queue()
        (folder / "steps.json").write_text(json.dumps(steps))
        own = {"/steps.json": folder / "steps.json", "/drive.html": pathlib.Path(__file__).with_name("drive.html")}
        handler = functools.partial(Handler, files=own | files, answers=answers)
        with serving(handler) as port, browsing(f"http://127.0.0.1:{port}/drive.html{query}", folder / "profile"):
            answer = answers.get(timeout=LONGEST)
        assert "error" not in answer, answer["error"]
        assert {urllib.parse.urlsplit(address).netloc for address in answer["requests"]} == {f"127.0.0.1:{port}"}
        return answer["results"]

    return run


@contextlib.contextmanager
def serving(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def browsing(address, profile):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", address]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def images(drawn, tmp_path_factory):
    """{name: path} of images for an input of 96 x 64; the first two fit without resampling."""
    folder = tmp_path_factory.mktemp("images")
    resized = cv2.resize(drawn[2], (300, 120), interpolation=cv2.INTER_CUBIC)
    wide = cv2.resize(drawn[3], (420, 140), interpolation=cv2.INTER_CUBIC)
    for name, image in {
        "wide.png": wide,
        "same.png": drawn[0],
        "narrow.png": drawn[1, :, 20:68],
        "large.png": resized,
    }.items():
        cv2.imwrite(str(folder / name), image[..., ::-1])
    (folder / "broken.png").write_text("no image")
    (folder / "broken.tflite").write_text("no model")
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def of_tasks(tmp_path_factory):
    """{task: (model, its exported file)}; "pose" is the last task."""
    folder = tmp_path_factory.mktemp("tasks")
    models = {task: random_model(task) for task in TASKS}
    return {task: (model, model.export(folder / f"{task}.tflite", top_k=20)) for task, model in models.items()}


@pytest.fixture(scope="module")
def results(browse, export_mobile_once, of_tasks, images):
    """{step: the page's state after it}; the steps are run one after the other on one page."""
    steps = {
        "a wrong model first": {"drop": ["broken.tflite"], "says": "broken.tflite"},
        "an image without a model": {"choose": ["image", "same.png"], "shows": "same.png"},
        "dropped together": {"drop": ["same.png", "float32.tflite"]},
        "float32": {"slide": LOWEST},
        "float16": {"choose": ["model", "float16.tflite"]},
        "int8": {"drop": ["int8.tflite"]},
        "no model": {"drop": ["broken.tflite"], "says": "broken"},
        "no image": {"choose": ["image", "broken.png"], "says": "broken.png"},
        "float32 again": {"choose": ["model", "float32.tflite"]},
        "padded": {"choose": ["image", "narrow.png"]},
        "resampled": {"drop": ["large.png"]},
        "camera": {"press": "camera", "path": None},
        "after the camera": {"choose": ["image", "same.png"], "path": "same.png"},
        **{task: {"drop": [f"{task}.tflite"]} for task in TASKS},
        "pose of a wide image": {"drop": ["wide.png"], "path": "wide.png"},
    }
    files = {f"{precision}.tflite": export_mobile_once(precision)[1] for precision in ("float32", "float16", "int8")}
    files |= {f"{task}.tflite": path for task, (_, path) in of_tasks.items()}
    return dict(zip(steps, browse(list(steps.values()), images | files), strict=True))


def is_among(row, rows, pixels, score):
    """Whether one of the detections has the same class, box and score."""
    return any(
        row["class_name"] == other["class_name"]
        and np.abs(np.subtract(row["box_xyxy"], other["box_xyxy"])).max() <= pixels
        and abs(row["score"] - other["score"]) <= score
        for other in rows
    )


def assert_same(result, expected, pixels, score):
    """Checks that each list holds the other's detections, down to the other's lowest score."""
    found = result["detections"]
    for ours, theirs in ((found, expected), (expected, found)):
        certain = [row for row in ours if row["score"] > theirs[-1]["score"] + END_OF_LIST]
        assert len(certain) > 10
        assert [row for row in certain if not is_among(row, theirs, pixels, score)] == []


def detect(model, path):
    return model.detect(str(path), threshold=0.01)[0].to_dict()


@pytest.mark.parametrize(
    ("done", "score"), [("float32", 1e-4), ("float16", 5e-3), ("padded", 1e-4), ("after the camera", 1e-4)]
)
def test_it_finds_what_the_model_finds(export_mobile_once, images, results, done, score):
    result, expected = results[done], detect(export_mobile_once()[0], images[results[done]["path"]])
    assert result["image_size"] == expected["image_size"]
    assert_same(result, expected["detections"], EXACT if score < 1e-3 else 1.0, score)


def test_it_reads_files_of_integers(export_mobile_once, drawn, results):
    """Against the same file in LiteRT; the exporter's tests check what integers cost."""
    model, path = export_mobile_once("int8")
    found = TFLiteDetector(path)(drawn[0])
    boxes_xyxy = np.clip(found["boxes_xyxy"], 0, [96, 64, 96, 64]).tolist()
    columns = zip(boxes_xyxy, found["scores"].tolist(), found["classes"], strict=True)
    expected = [{"box_xyxy": box, "score": score, "class_name": model.classes[i]} for box, score, i in columns]
    assert_same(results["int8"], expected, 1.0, 5e-3)


def test_other_sizes_differ_by_a_pixel_of_the_input(export_mobile_once, images, results):
    """Browsers resample differently, to which an untrained network is sensitive: most boxes agree, not all."""
    expected = detect(export_mobile_once()[0], images["large.png"])["detections"]
    found = results["resampled"]["detections"][:10]
    pixels = 300 / 96
    assert sum(is_among(row, expected, pixels, 0.02) for row in found) >= 8


def test_the_slider_chooses_scores_without_another_detection(results):
    before, after = results["dropped together"], results["float32"]
    assert [row for row in after["detections"] if row["score"] >= 0.3] == before["detections"]
    assert len(after["detections"]) == 20 > len(before["detections"])


def test_everything_drawn_is_also_listed_as_text(results):
    result = results["float32"]
    assert result["label"] == result["count"] == "20 objects in same.png"
    box = ", ".join(str(round(value)) for value in result["detections"][0]["box_xyxy"])
    assert result["rows"][0] == [result["detections"][0]["class_name"], f"{result['detections'][0]['score']:.2f}", box]
    assert len(result["rows"]) == 20
    assert results["camera"]["count"].endswith("in the camera's image")


def test_the_camera_runs_until_an_image_is_opened(results):
    assert (results["camera"]["path"], results["camera"]["camera"]) == (None, "true")
    assert results["camera"]["image_size"] == {"width": 640, "height": 480}
    assert results["after the camera"]["camera"] == "false"


@pytest.mark.parametrize("task", TASKS)
def test_every_task_finds_what_its_model_finds(of_tasks, images, results, task):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # it warns that KITTI's camera is assumed
        expected = of_tasks[task][0].detect(str(images["same.png"]), threshold=LOWEST, top_k=20)[0].to_dict()
    found = results[task]["detections"]
    more = set(expected["detections"][0]) - {"box_xyxy", "class_index", "class_name", "score"}
    assert more == MORE[task]
    assert set(found[0]) == set(expected["detections"][0])
    certain = [
        row for row in expected["detections"] if row["score"] > expected["detections"][-1]["score"] + END_OF_LIST
    ]
    assert len(certain) > 5
    for row in certain:
        near = [one for one in found if is_among(one, [row], EXACT, 1e-4)]
        assert near
        for name in more:
            expect = pytest.approx(np.ravel(row[name]), rel=1e-3, abs=0.02)
            assert any(np.ravel(one[name]) == expect for one in near), name


def test_the_palette_is_that_of_the_package():
    text = (WEB / "draw.js").read_text().partition("PALETTE = ")[2].partition(";")[0]
    colors = re.findall(r"\[(\d+), (\d+), (\d+)\]", text)
    assert [tuple(map(int, color)) for color in colors] == list(PALETTE)


def test_a_failure_stays_until_what_failed_is_opened(results):
    result = results["an image without a model"]
    assert result["is_error"]
    assert result["status"].startswith("broken.tflite: expected a .tflite detector")
    assert not results["dropped together"]["is_error"]


@pytest.mark.parametrize(
    ("done", "message"),
    [
        ("no model", r"broken\.tflite: expected a \.tflite detector with its decoding and labels \(.+\)\."),
        ("no image", r"broken\.png: expected an image that this browser can show\."),
    ],
)
def test_a_wrong_file_is_reported_and_changes_nothing(results, done, message):
    assert results[done]["is_error"]
    assert re.fullmatch(message, results[done]["status"])
    assert results[done]["detections"] == results["int8"]["detections"]
    assert not results["float32 again"]["is_error"]


def test_files_beside_the_page_open_by_their_address(browse, export_mobile_once, images, results):
    query = "?model=files/float32.tflite&image=files/same.png"
    (found,) = browse(
        [{"slide": LOWEST, "path": "same.png"}], images | {"float32.tflite": export_mobile_once()[1]}, query
    )
    assert found["detections"] == results["float32"]["detections"]
    (found,) = browse([{"slide": LOWEST, "says": "nothing.png"}], {}, "?image=nothing.png")
    assert found["status"].startswith("nothing.png: expected a file, got 404")


def test_a_missing_library_is_reported(browse, tmp_path):
    missing = {"/node_modules/@litertjs/core/dist/index.js": tmp_path / "nothing"}
    (found,) = browse([{"slide": LOWEST, "says": "missing"}], missing)
    assert found["is_error"]
    assert found["status"].startswith("LiteRT is missing: run npm ci")
