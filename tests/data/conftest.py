"""Small data sets in several formats, written into a temporary folder."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def write_image():
    """write_image(path, (height, width)) writes an image of random pixels; returns it as (H, W, 3) RGB."""

    def write(path, image_hw=(48, 64), value=None):
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(7).integers(0, 256, (*image_hw, 3), np.uint8)
        image = image if value is None else np.full_like(image, value)
        assert cv2.imwrite(str(path), image[..., ::-1])
        return image

    return write


@pytest.fixture
def write_voc(tmp_path, write_image):
    """write_voc({stem: [(name, x1, y1, x2, y2)]}, split=...) -> folder; every image is 48 x 64."""

    def write(objects_by_stem, split="train", size=(48, 64)):
        folder = tmp_path / "voc"
        for part in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for stem, objects in objects_by_stem.items():
            write_image(folder / "JPEGImages" / f"{stem}.jpg")
            nodes = "".join(
                f"<object><name>{name}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
                f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
                for name, x1, y1, x2, y2 in objects
            )
            text = f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height></size>{nodes}</annotation>"
            (folder / "Annotations" / f"{stem}.xml").write_text(text)
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in objects_by_stem))
        return folder

    return write


@pytest.fixture
def write_coco(tmp_path, write_image):
    """write_coco(annotations) -> folder with two images (ids 30 and 7) and the categories 18 dog and 3 cat."""

    def write(annotations, **changes):
        folder = tmp_path / "coco"
        images = [
            {"id": 30, "file_name": "a.jpg", "height": 48, "width": 64},
            {"id": 7, "file_name": "b.jpg", "height": 48, "width": 64},
        ]
        for image in images:
            write_image(folder / "train2017" / image["file_name"])
        content = {
            "images": images,
            "annotations": [{"id": i, **annotation} for i, annotation in enumerate(annotations)],
            "categories": [{"id": 18, "name": "dog"}, {"id": 3, "name": "cat"}],
            **changes,
        }
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(content))
        return folder

    return write


@pytest.fixture
def write_coco_file(write_image):
    """write_coco_file(path, names, image_folder=..., **changes) writes a COCO file and its images of 48 x 64.

    There is one object per image, of the categories 1 cat and 2 dog in turn.
    """

    def write(path, names=("a.jpg",), image_folder=None, **changes):
        for name in names if image_folder is not None else ():
            write_image(image_folder / name)
        rows = [{"image_id": i, "category_id": 1 + i % 2, "bbox": [5, 6, 20, 24]} for i in range(len(names))]
        content = {
            "images": [{"id": i, "file_name": name, "height": 48, "width": 64} for i, name in enumerate(names)],
            "annotations": [{"id": i, **row} for i, row in enumerate(rows)],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            **changes,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def write_yolo(tmp_path, write_image):
    """write_yolo({stem: label text or None}, yaml=...) -> folder; every image is 48 x 64."""

    def write(labels, yaml="path: .\ntrain: images/train\nval: images/val\nnames: [cat, dog]\n"):
        folder = tmp_path / "yolo"
        (folder / "labels" / "train").mkdir(parents=True, exist_ok=True)
        for stem, text in labels.items():
            write_image(folder / "images" / "train" / f"{stem}.png")
            if text is not None:
                (folder / "labels" / "train" / f"{stem}.txt").write_text(text)
        (folder / "data.yaml").write_text(yaml)
        return folder

    return write


@pytest.fixture
def write_records():
    """write_records(path, [{key: values}]) writes records by hand, with the types of the values; returns the path."""

    def feature(values):
        if isinstance(values[0], str | bytes):
            texts = [value.encode() if isinstance(value, str) else value for value in values]
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=texts))
        if isinstance(values[0], float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def write(path, records):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in records:
                if isinstance(record, dict):
                    features = {key: feature(values) for key, values in record.items() if values}
                    record = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
                writer.write(record)
        return path

    return write


@pytest.fixture
def examples_of():
    """examples_of(source) -> list of examples as dicts of NumPy arrays, in order."""
    return lambda source, **options: list(source.examples(**options).as_numpy_iterator())
