"""Random keypoints that were written as COCO, YOLO and records are read back unchanged."""

import json

import numpy as np
import pytest

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords

NAMES = ("nose", "left_ear", "right_ear", "tail")
FIELDS = ("keypoints_xyv",)
HEIGHT, WIDTH = 48, 64


def draw(seed):
    """Returns [[(class, xyxy (4,), keypoints (K, 3))] of each image]; unmarked keypoints are zeros."""
    rng, images = np.random.default_rng(seed), []
    for i in range(4):
        objects = []
        for _ in range(i):
            box = np.sort(rng.uniform(0.05, 0.95, (2, 2)), axis=0).ravel() * [WIDTH, HEIGHT, WIDTH, HEIGHT]
            marks = rng.integers(0, 3, len(NAMES))
            xy = rng.uniform(0.01, 1.05, (len(NAMES), 2)) * [WIDTH, HEIGHT]
            points = np.column_stack([xy, marks]) * (marks > 0)[:, None]
            objects.append((int(rng.integers(2)), box, points))
        images.append(objects)
    return images


def write_coco(folder, images):
    annotations, entries = [], []
    for i, objects in enumerate(images):
        entries.append({"id": i, "file_name": f"{i}.png", "height": HEIGHT, "width": WIDTH})
        for number, (x1, y1, x2, y2), points in objects:
            row = {"id": len(annotations), "image_id": i, "category_id": number, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            annotations.append(row | {"keypoints": points.ravel().tolist()})
    categories = [{"id": i, "name": name, "keypoints": NAMES} for i, name in enumerate(("cat", "dog"))]
    (folder / "annotations").mkdir()
    content = {"images": entries, "annotations": annotations, "categories": categories}
    (folder / "annotations" / "person_keypoints_train.json").write_text(json.dumps(content))


def write_yolo(folder, images):
    (folder / "labels" / "train").mkdir(parents=True)
    for i, objects in enumerate(images):
        lines = []
        for number, (x1, y1, x2, y2), points in objects:
            box = [(x1 + x2) / 2 / WIDTH, (y1 + y2) / 2 / HEIGHT, (x2 - x1) / WIDTH, (y2 - y1) / HEIGHT]
            lines.append(" ".join(map(str, [number, *box, *(points / [WIDTH, HEIGHT, 1]).ravel()])))
        (folder / "labels" / "train" / f"{i}.txt").write_text("\n".join(lines))
    skeleton = f"kpt_shape: [{len(NAMES)}, 3]\nflip_idx: [0, 2, 1, 3]\nkpt_names: {{0: {json.dumps(NAMES)}}}\n"
    (folder / "data.yaml").write_text(f"train: images/train\nnames: [cat, dog]\n{skeleton}")


PLACES = {"coco": (write_coco, "train"), "yolo": (write_yolo, "images/train")}


@pytest.mark.parametrize("through_records", [False, True])
@pytest.mark.parametrize("format", PLACES)
@pytest.mark.parametrize("seed", range(2))
def test_what_was_written_is_read(seed, format, through_records, write_image, tmp_path):
    images, (write, place), folder = draw(seed), PLACES[format], tmp_path / "data"
    folder.mkdir()
    write(folder, images)
    for i in range(len(images)):
        write_image(folder / place / f"{i}.png", (HEIGHT, WIDTH), value=i)
    source = read_source(folder, "train", fields=FIELDS)
    if through_records:
        write_tfrecords(source, "train", tmp_path / "records", 2)
        source = read_source(tmp_path / "records", "train", fields=FIELDS)
    skeleton = source.task_options["skeleton"]
    assert (skeleton["names"], skeleton["flip_pairs"]) == (list(NAMES), [[1, 2]])
    for example, objects in zip(source.examples().as_numpy_iterator(), images, strict=True):
        assert example["classes"].tolist() == [number for number, _, _ in objects]
        expected = np.reshape([box for _, box, _ in objects], (-1, 4))
        np.testing.assert_allclose(example["boxes_xyxy"], expected, atol=0.01)
        expected = np.reshape([points for _, _, points in objects], (-1, len(NAMES), 3))
        np.testing.assert_allclose(example["keypoints_xyv"], expected, atol=0.01)
