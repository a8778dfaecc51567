"""Makes by hand what a reader finds."""

import pytest

from keras_centernet.data.reading.found import Found


@pytest.fixture
def make_found(tmp_path, write_image):
    """make_found({image: [(class name, box)]}, ...) writes images of 48 x 64 and returns what a reader finds."""

    def make(objects, write=True, hw=(0, 0), **options):
        found = Found("data (train)", **options)
        for name, rows in objects.items():
            if write:
                write_image(tmp_path / name)
            index = found.add_image(tmp_path / name, tmp_path / f"{name}.txt", hw=hw, has_labels=rows is not None)
            for number, (class_name, box) in enumerate(rows or (), start=1):
                found.add_object(index, class_name, box, number)
        return found

    return make
