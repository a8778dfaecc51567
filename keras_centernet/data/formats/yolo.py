"""YOLO: data.yaml, folders of images, one .txt file of boxes per image."""

import functools
import os

import yaml

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import split_names
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import UserError, first_line
from keras_centernet.files.paths import AnyPath, are_files, join, map_files, to_path
from keras_centernet.geometry import cxcywh_to_xyxy


def read_yolo(request: DataRequest) -> Found:
    """Returns one split of a data set in YOLO format.

    `data` is the YAML file or its folder, a split is one of its keys. A label file has one line per object, "class cx
    cy w h" in fractions of the upright image, or "class x1 y1 x2 y2 x3 y3 ..." (a polygon, whose extent is taken). It
    lies where the image lies, with the last "images" folder of the path replaced by "labels". An image without label
    file has no objects.

    Raises:
        UserError: a file, a folder or a value in a file is not what it should be.
    """
    split = request.split
    path = request.path if request.path.is_file() else _find_yaml(request.path)
    if path is None:
        raise UserError(f"{request.data}: expected a data.yaml, got none; pass the YAML file itself as `data`.")
    content = _read_yaml(path)
    names = _names(content, path)
    images = _list_images([to_path(request.images)], path) if request.images else _split_images(content, path, split)
    labels = [_label_path(image, request.annotations) for image in images]
    there = {labels[i] for i, is_there in enumerate(are_files(labels)) if is_there}
    found = Found(f"{path} ({split})", unit="line", classes=names, is_relative=True, looked_for=str(labels[0]))
    for path in _labels_without_image(labels):
        found.note(f"label file(s) of split {split!r} skipped, no image of that name", path)
    reading = map_files(functools.partial(_read_labels, names=names), [label for label in labels if label in there])
    for image, label in zip(images, labels, strict=True):
        index = found.add_image(image, label, has_labels=label in there)
        for number, name, box_xyxy in next(reading) if label in there else ():
            found.add_object(index, name, box_xyxy, number)
    return found


def is_yolo_data(path: AnyPath) -> bool:
    """Whether a path is a YAML file, or a folder with a data.yaml or one YAML file."""
    return path.is_file() if path.suffix in (".yaml", ".yml") else path.is_dir() and _find_yaml(path) is not None


def _find_yaml(folder: AnyPath) -> AnyPath | None:
    """Returns a folder's data.yaml, or its only YAML file, or None."""
    usual = [folder / name for name in ("data.yaml", "data.yml", "dataset.yaml") if (folder / name).is_file()]
    candidates = usual[:1] or [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    return candidates[0] if len(candidates) == 1 else None


def _read_yaml(path: AnyPath) -> dict:
    try:
        # All values stay text: classes may be called "no" or "1".
        content = yaml.load(path.read_text(encoding="utf-8-sig"), yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1
        raise UserError(f"{path}, line {line}: expected YAML, got an error: {error.problem}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: expected a text file in YAML, got {first_line(error)}.") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected lines 'key: value', got {str(content)[:60]!r}.")
    return content


def _names(content: dict, path: AnyPath) -> tuple[str, ...]:
    names = content.get("names")
    if isinstance(names, dict):
        try:
            names = {int(key): name for key, name in names.items()}
        except ValueError:
            raise UserError(f"{path}: expected numbers as keys of 'names', got {list(names)}.") from None
        if sorted(names) != list(range(len(names))):
            raise UserError(f"{path}: expected the keys of 'names' to count from 0, got {sorted(names)}.")
        names = [names[i] for i in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: expected 'names', a list or a map of class names, got {names!r}.")
    if "nc" in content and content["nc"] != str(len(names)):
        raise UserError(f"{path}: expected {content['nc']} 'names' as 'nc' says, got {len(names)}.")
    return tuple(names)


def _split_images(content: dict, path: AnyPath, split: str) -> list[AnyPath]:
    value = next((content[name] for name in split_names(split) if content.get(name)), None)
    if not value:
        found = ", ".join(key for key in ("train", "val", "test") if content.get(key)) or "none"
        raise UserError(f"{path}: expected a folder for split {split!r}, got none; splits found: {found}.")
    root = join(path.parent, content.get("path", ""))
    entries = value if isinstance(value, list) else [value]
    # In the wild `path` is often relative to another folder than the file's, and splits start with "../".
    chosen = []
    for entry in entries:
        candidates = [join(base, entry.removeprefix(cut)) for base in (root, path.parent) for cut in ("", "../")]
        chosen.append(next((p for p in candidates if p.exists()), candidates[0]))
    return _list_images(chosen, path)


def _list_images(folders_or_lists: list[AnyPath], path: AnyPath) -> list[AnyPath]:
    images = []
    for entry in folders_or_lists:
        if entry.is_dir():
            images += sorted(p for p in entry.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
        elif entry.is_file():
            images += [join(entry.parent, line.strip()) for line in entry.read_text().splitlines() if line.strip()]
        else:
            raise UserError(f"{path}: expected a folder or a list of images, got {entry}, which does not exist.")
    if not images:
        raise UserError(f"{path}: expected images in {folders_or_lists[0]}, got an empty split.")
    return images


def _label_path(image: AnyPath, annotations: str | os.PathLike | None) -> AnyPath:
    if annotations is not None:
        return to_path(annotations) / f"{image.stem}.txt"
    parts = list(image.parts)
    folders = [i for i, part in enumerate(parts[:-1]) if part == "images"]
    if folders:
        parts[folders[-1]] = "labels"
    return type(image)(*parts).with_suffix(".txt")


def _labels_without_image(labels: list[AnyPath]) -> list[str]:
    known, folders = set(labels), dict.fromkeys(label.parent for label in labels)
    return [
        str(path)
        for folder in folders
        if folder.name == "labels" or folder.parent.name == "labels"
        for path in sorted(folder.glob("*.txt"))
        if path not in known
    ]


def _read_labels(path: AnyPath, names: tuple[str, ...]) -> list[tuple]:
    """Returns [(line, class name, box_xyxy in fractions of the image)] of one file."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        where, shown = f"{path}, line {number}", line.strip()[:60]
        try:
            values = [float(text) for text in line.split()]
        except ValueError:
            values = []
        is_polygon = len(values) >= 7 and len(values) % 2 == 1
        if len(values) != 5 and not is_polygon:
            raise UserError(f"{where}: expected 'class cx cy w h' or 'class x1 y1 x2 y2 x3 y3 ...', got {shown!r}.")
        if values[0] not in range(len(names)):
            last, found = len(names) - 1, line.split()[0]
            raise UserError(f"{where}: expected a class from 0 to {last}, got {found}; correct 'names'.")
        xs, ys = values[1::2], values[2::2]
        box_xyxy = (min(xs), min(ys), max(xs), max(ys)) if is_polygon else tuple(cxcywh_to_xyxy(values[1:]))
        rows.append((number, names[int(values[0])], box_xyxy))
    return rows


def yolo_splits(request: DataRequest) -> tuple[str, ...]:
    """Returns the names of the splits in the YAML file."""
    path = request.path if request.path.is_file() else _find_yaml(request.path)
    content = _read_yaml(path) if path is not None else {}
    return tuple(key for key in ("train", "val", "valid", "test") if content.get(key))
