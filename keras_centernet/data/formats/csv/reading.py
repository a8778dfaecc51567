"""CSV: one line per object, with the columns of TensorFlow's tutorials and Roboflow, RetinaNet, or Open Images."""

from keras_centernet.data.formats.csv.finding import find_tables, image_folders, root_of
from keras_centernet.data.formats.csv.table import SIDES, Layout, read_layout, read_lines_of
from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.images import IMAGE_SUFFIXES
from keras_centernet.data.names import is_usual_split
from keras_centernet.data.reading.found import Found
from keras_centernet.data.reading.image_files import ImageFiles
from keras_centernet.data.reading.texts import read_lines
from keras_centernet.data.reading.values import LARGEST_FRACTION
from keras_centernet.errors import UserError
from keras_centernet.files.paths import AnyPath

_CLASSES = "classes.csv"
_NOT_NAMED = "image(s) left out, no line of the table names them"
_NOT_READ = "table(s) not read, others have the name of a split or lie nearer to the folder"
_OTHER_SIZE = "line(s) that state another size of the image than the line before"
_FRACTIONS = f"table(s) whose boxes are all below {LARGEST_FRACTION:g}, read as fractions of the image"


def read_csv(request: DataRequest) -> Found:
    """Returns the content of the tables of a split.

    A header line names the columns, in any order and case: filename, class, xmin, ymin, xmax, ymax and optionally width
    and height of the image. Without a header, the columns are path, x1, y1, x2, y2, class. Separators are , ; | or
    tabs. A line without numbers means an image without objects. Boxes are in pixels, unless all of them look like
    fractions or the columns are those of Open Images. The order of the classes is that of classes.csv ("name,number")
    beside the table, else alphabetical.

    Raises:
        UserError: a file cannot be read, or a line or a value is wrong.
    """
    found = Found(request.name, unit="line")
    tables, not_read = find_tables(request)
    found.notes = {_NOT_READ: list(map(str, not_read))}
    layouts = {path: read_layout(path) for path in tables[request.split]}
    for path, layout in layouts.items():
        if layout is None:
            expected = "the columns filename, class, xmin, ymin, xmax, ymax, or path, x1, y1, x2, y2, class"
            raise UserError(f"{path}: expected {expected}, got a first line without them.")
        _add_table(found, path, layout, request)
    found.is_relative = all(layout.is_relative for layout in layouts.values())
    if not found.is_relative and _are_fractions(found):
        found.is_relative = True
        found.note(_FRACTIONS, str(next(iter(layouts))))
    return found


def _add_table(found: Found, path: AnyPath, layout: Layout, request: DataRequest) -> None:
    lines = list(read_lines_of(path, layout))
    names = list(dict.fromkeys(line["image"] for _, line in lines))
    images = ImageFiles(image_folders(path, request), None if request.images else root_of(path, request))
    files = _find_images(names, images)
    classes = _read_classes(path.parent / _CLASSES)
    found.classes = found.classes or classes
    indices: dict[str, int] = {}
    for number, line in lines:
        name, hw = line["image"], (line.get("height"), line.get("width"))
        if not name:
            raise UserError(f"{path}, line {number}: expected the name of an image, got none; add it.")
        if name not in indices:
            indices[name] = found.add_image(files[name], path, hw=hw)
        index = indices[name]
        if found.stated_hw[index] != hw:
            found.note(_OTHER_SIZE, f"{path}, line {number}")
        box = [line[side] for side in SIDES]
        if not any(box):
            continue
        if classes is not None and line["name"] not in classes:
            expected = f"a class of {_CLASSES} ({', '.join(classes[:10])})"
            raise UserError(f"{path}, line {number}: expected {expected}, got {line['name']!r}; add it there.")
        if layout.separator == ";":  # from countries with decimal commas
            box = [value.replace(",", ".") for value in box]
        found.add_object(index, line["name"], box, number, is_crowd=line.get("is_crowd") == "1")
    _note_images(found, images, request)


def _find_images(names: list[str], images: ImageFiles) -> dict[str, AnyPath]:
    """Returns {name in the table: the image's file}; Open Images' names have no suffix."""
    files = {name: images.find_stem(name) for name in names if not name.lower().endswith(IMAGE_SUFFIXES)}
    others = [name for name in names if files.get(name) is None]
    return files | dict(zip(others, images.find_all(others), strict=True))


def _note_images(found: Found, images: ImageFiles, request: DataRequest) -> None:
    """Notes guesses, and images that no line names, unless these could belong to another split."""
    others = images.others()
    if request.split is None or all(is_usual_split(path.parent.name) for path in others):
        for path in others:
            found.note(_NOT_NAMED, str(path))
    for what, names in images.notes.items():
        found.notes.setdefault(what, []).extend(names)


def _read_classes(path: AnyPath) -> tuple[str, ...] | None:
    """Returns the names in a file of lines "name,number", sorted by number; None if there is no such file."""
    if not path.is_file():
        return None
    numbers: dict[str, int] = {}
    for line_number, line in enumerate(read_lines(path), start=1):
        name, separator, number = line.rpartition(",")
        if not line:
            continue
        name = name.strip().strip('"')
        if not separator or not number.strip().isdecimal() or not name or name in numbers:
            raise UserError(f"{path}, line {line_number}: expected 'name,number', each name once, got {line[:60]!r}.")
        numbers[name] = int(number)
    if len(set(numbers.values())) != len(numbers):
        raise UserError(f"{path}: expected a number of its own for each class, got one twice.")
    return tuple(sorted(numbers, key=numbers.get)) or None


def _are_fractions(found: Found) -> bool:
    """Returns whether all numbers are as small as fractions of an image, and some are not integers."""
    try:
        numbers = [float(value) for row in found.rows for value in row[2:6]]
    except ValueError:
        return False
    is_small = all(abs(number) <= LARGEST_FRACTION for number in numbers)
    return is_small and any(number % 1 for number in numbers)
