"""One random data set, written in every format.

A new format is a row of `WRITERS`: a function (folder, data) that writes the `data` of `draw` into the empty folder,
the format's key, and class names that it can write.
"""

import json
import xml.sax.saxutils

import cv2
import numpy as np
import tensorflow as tf

from keras_centernet.data.formats.opening import read_source
from keras_centernet.data.records.writing import write_tfrecords

CLASSES = ("big cat", "dog", "x-1", "Ärger")
WITHOUT_SPACES = ("big-cat", "dog", "x-1", "Ärger")
SPLITS = ("train", "val", "test")
NAMES = ("same.png", "my photo {}.png", "{}.jpg", "a.b.{}.png", "ü{}.png", "img-{}.jpeg")


def draw(seed, classes, names=NAMES):
    """Returns {split: {image name: (pixels (H, W, 3) uint8, [(class, (4,) xyxy)])}}.

    Some images are empty, some boxes lie at the border, and every split has an image of the same name.
    """
    rng, data = np.random.default_rng(seed), {}
    for number, split in enumerate(SPLITS):
        data[split] = {}
        for i, name in enumerate(names):
            height, width = rng.integers(20, 90, 2)
            objects = []
            for _ in range(rng.integers(0, 5) if i else 4):
                corners = np.sort(rng.uniform(-0.1, 1.1, (2, 2)).clip(0, 1), axis=0) * [width, height]
                if np.all(corners[1] - corners[0] > 1):
                    objects.append((str(rng.choice(classes)), corners.ravel()))
            objects += [(classes[i % len(classes)], np.array([1.25, 2, width - 3.5, height - 1]))]
            pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
            data[split][name.format(f"{number}{i}")] = (pixels, objects if i != 3 else [])
    return data


def write_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(path.suffix, pixels[..., ::-1])[1]
    path.write_bytes(encoded.tobytes())


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def coco_json(images, prefix=""):
    entries, annotations = [], []
    for image_id, (name, (pixels, objects)) in enumerate(images.items(), start=1):
        height, width = pixels.shape[:2]
        entries.append({"id": image_id, "file_name": prefix + name, "height": height, "width": width})
        for class_name, (x1, y1, x2, y2) in objects:
            row = {"image_id": image_id, "category_id": CLASSES.index(class_name) + 1, "iscrowd": 0}
            annotations.append({**row, "id": len(annotations) + 1, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES, start=1)]
    return json.dumps({"images": entries, "annotations": annotations, "categories": categories})


def write_coco(folder, data):
    for split, images in data.items():
        for name, (pixels, _) in images.items():
            write_image(folder / f"{split}2017" / name, pixels)
        write_text(folder / "annotations" / f"instances_{split}2017.json", coco_json(images))


def write_coco_of_roboflow(folder, data):
    for split, images in data.items():
        part = folder / ("valid" if split == "val" else split)
        for name, (pixels, _) in images.items():
            write_image(part / name, pixels)
        write_text(part / "_annotations.coco.json", coco_json(images))


def write_coco_of_cvat(folder, data):
    for split, images in data.items():
        for name, (pixels, _) in images.items():
            write_image(folder / "images" / split / name, pixels)
        write_text(folder / "annotations" / f"instances_{split}.json", coco_json(images, f"images/{split}/"))


def write_createml(folder, data):
    for split, images in data.items():
        entries = []
        for name, (pixels, objects) in images.items():
            write_image(folder / split / name, pixels)
            rows = []
            for class_name, (x1, y1, x2, y2) in objects:
                sides = {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2, "width": x2 - x1, "height": y2 - y1}
                rows.append({"label": class_name, "coordinates": sides})
            entries.append({"image": name, "annotations": rows})
        write_text(folder / split / "_annotations.createml.json", json.dumps(entries))


def write_labelme(folder, data):
    for split, images in data.items():
        for name, (pixels, objects) in images.items():
            write_image(folder / split / name, pixels)
            shapes = [
                {"label": class_name, "points": [[x1, y2], [x2, y1]], "shape_type": "rectangle", "group_id": None}
                for class_name, (x1, y1, x2, y2) in objects
            ]
            height, width = pixels.shape[:2]
            content = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
            content |= {"imageHeight": height, "imageWidth": width}
            write_text((folder / split / name).with_suffix(".json"), json.dumps(content))


def write_voc(folder, data):
    for split, images in data.items():
        for name, (pixels, objects) in images.items():
            path = folder / split / name
            write_image(path, pixels)
            nodes = "".join(
                f"<object><name>{xml.sax.saxutils.escape(class_name)}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
                f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
                for class_name, (x1, y1, x2, y2) in objects
            )
            height, width = pixels.shape[:2]
            size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
            text = f"<annotation><filename>{name}</filename>{size}{nodes}</annotation>"
            write_text(path.with_suffix(".xml"), text)


def box_line(number, box, width, height):
    x1, y1, x2, y2 = box
    cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
    return f"{number} {cx} {cy} {(x2 - x1) / width} {(y2 - y1) / height}\n"


def polygon_line(number, box, width, height):
    x1, y1, x2, y2 = box
    points = [(x1, (y1 + y2) / 2), (x1 + (x2 - x1) / 3, y1), (x2, y2 - (y2 - y1) / 4), ((x1 + x2) / 2, y2)]
    return " ".join([str(number), *(f"{x / width} {y / height}" for x, y in points)]) + "\n"


def write_yolo_files(images, image_folder, label_folder, line=box_line):
    for name, (pixels, objects) in images.items():
        write_image(image_folder / name, pixels)
        height, width = pixels.shape[:2]
        lines = [line(CLASSES.index(class_name), box, width, height) for class_name, box in objects]
        write_text((label_folder / name).with_suffix(".txt"), "".join(lines))


def write_yolo(folder, data, line=box_line):
    for split, images in data.items():
        write_yolo_files(images, folder / "images" / split, folder / "labels" / split, line)
    places = "".join(f"{split}: images/{split}\n" for split in data)
    write_text(folder / "data.yaml", f"{places}names: {json.dumps(CLASSES)}\n")


def write_yolo_polygons(folder, data):
    write_yolo(folder, data, polygon_line)


def write_yolo_of_roboflow(folder, data):
    names = {split: "valid" if split == "val" else split for split in data}
    for split, images in data.items():
        write_yolo_files(images, folder / names[split] / "images", folder / names[split] / "labels")
    places = "".join(f"{split}: ../{name}/images\n" for split, name in names.items())
    write_text(folder / "data.yaml", f"{places}nc: {len(CLASSES)}\nnames: {json.dumps(CLASSES, ensure_ascii=False)}\n")


def write_yolo_of_label_studio(folder, data):
    for split, images in data.items():
        write_yolo_files(images, folder / split / "images", folder / split / "labels")
    categories = [{"id": i, "name": name} for i, name in enumerate(CLASSES)]
    write_text(folder / "notes.json", json.dumps({"categories": categories, "info": {"contributor": "me"}}))


def write_darknet(folder, data):
    lines = [f"classes = {len(CLASSES)}", "names = data/obj.names", "backup = backup/"]
    for split, images in data.items():
        place = f"obj_{split}_data"
        write_yolo_files(images, folder / place, folder / place)
        write_text(folder / f"{split}.txt", "".join(f"data/{place}/{name}\n" for name in images))
        lines.append(f"{'valid' if split == 'val' else split} = data/{split}.txt")
    write_text(folder / "obj.names", "".join(f"{name}\n" for name in CLASSES))
    write_text(folder / "obj.data", "\n".join(lines))


def write_kitti(folder, data):
    for split, images in data.items():
        for name, (pixels, objects) in images.items():
            write_image(folder / split / "image_2" / name, pixels)
            lines = [
                f"{class_name} 0.00 0 0.00 {x1} {y1} {x2} {y2} 0.00 0.00 0.00 0.00 0.00 0.00 0.00\n"
                for class_name, (x1, y1, x2, y2) in objects
            ]
            write_text((folder / split / "label_2" / name).with_suffix(".txt"), "".join(lines))


def write_csv(folder, data):
    for split, images in data.items():
        lines = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
        for name, (pixels, objects) in images.items():
            write_image(folder / split / name, pixels)
            height, width = pixels.shape[:2]
            rows = [(class_name, *box) for class_name, box in objects] or [("", "", "", "", "")]
            lines += [f'"{name}",{width},{height},{",".join(map(str, row))}' for row in rows]
        write_text(folder / split / "_annotations.csv", "\n".join(lines))


def write_cvat(folder, data):
    nodes = []
    for split, images in data.items():
        for name, (pixels, objects) in images.items():
            write_image(folder / "images" / split / name, pixels)
            height, width = pixels.shape[:2]
            boxes = "".join(
                f'<box label="{class_name}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
                for class_name, (x1, y1, x2, y2) in objects
            )
            where = f'name="{split}/{name}" subset="{split}" width="{width}" height="{height}"'
            nodes.append(f"<image id='{len(nodes)}' {where}>{boxes}</image>")
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    meta = f"<meta><task><labels>{labels}</labels></task></meta>"
    write_text(folder / "annotations.xml", f"<annotations><version>1.1</version>{meta}{''.join(nodes)}</annotations>")


def write_records(folder, data):
    """Writes the data in COCO's format beside the folder, and makes the records of that."""
    beside = folder.with_name(f"{folder.name}_coco")
    write_coco(beside, data)
    for split in data:
        write_tfrecords(read_source(beside, split), split, folder, 2)


def write_records_of_roboflow(folder, data):
    for split, images in data.items():
        place = folder / ("valid" if split == "val" else split)
        place.mkdir()
        with tf.io.TFRecordWriter(str(place / "Cells.tfrecord")) as writer:
            for name, (pixels, objects) in images.items():
                writer.write(record_of(name, pixels, objects))
        items = (
            f"item {{\n    name: {json.dumps(name)},\n    id: {i},\n}}\n" for i, name in enumerate(CLASSES, start=1)
        )
        write_text(place / "Cells_label_map.pbtxt", "".join(items))


def record_of(name, pixels, objects):
    height, width = pixels.shape[:2]
    suffix = name.rpartition(".")[2]
    texts = {"encoded": [cv2.imencode(f".{suffix}", pixels[..., ::-1])[1].tobytes()], "filename": [name.encode()]}
    texts |= {"format": [suffix.encode()], "object/class/text": [class_name.encode() for class_name, _ in objects]}
    numbers = {"height": [height], "width": [width]}
    numbers["object/class/label"] = [CLASSES.index(class_name) + 1 for class_name, _ in objects]
    sides = {"xmin": (0, width), "ymin": (1, height), "xmax": (2, width), "ymax": (3, height)}
    floats = {f"object/bbox/{key}": [box[i] / side for _, box in objects] for key, (i, side) in sides.items()}
    features = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)) for key, values in texts.items()}
    features |= {key: tf.train.Feature(int64_list=tf.train.Int64List(value=v)) for key, v in numbers.items()}
    features |= {key: tf.train.Feature(float_list=tf.train.FloatList(value=v)) for key, v in floats.items()}
    features = tf.train.Features(feature={f"image/{key}": feature for key, feature in features.items()})
    return tf.train.Example(features=features).SerializeToString()


# {name: (writer, key of `FORMATS`, names of the classes)}
WRITERS = {
    "COCO": (write_coco, "coco", CLASSES),
    "COCO, Roboflow's": (write_coco_of_roboflow, "coco", CLASSES),
    "COCO, CVAT's": (write_coco_of_cvat, "coco", CLASSES),
    "CreateML": (write_createml, "createml", CLASSES),
    "LabelMe": (write_labelme, "labelme", CLASSES),
    "VOC": (write_voc, "voc", CLASSES),
    "CSV": (write_csv, "csv", CLASSES),
    "CVAT": (write_cvat, "cvat", CLASSES),
    "YOLO": (write_yolo, "yolo", CLASSES),
    "YOLO, polygons": (write_yolo_polygons, "yolo", CLASSES),
    "YOLO, Roboflow's": (write_yolo_of_roboflow, "yolo", CLASSES),
    "YOLO, Label Studio's": (write_yolo_of_label_studio, "yolo", CLASSES),
    "YOLO, darknet's": (write_darknet, "yolo", CLASSES),
    "KITTI": (write_kitti, "kitti", WITHOUT_SPACES),
    "TFRecord": (write_records, "tfrecord", CLASSES),
    "TFRecord, Roboflow's": (write_records_of_roboflow, "tfrecord", CLASSES),
}
