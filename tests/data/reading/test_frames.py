"""Boxes of label files, moved to upright images: compared with drawn pixels for each EXIF orientation."""

import re

import numpy as np
import pytest
from PIL import Image

from keras_centernet.data.formats.request import DataRequest
from keras_centernet.data.reading.finishing import to_source
from keras_centernet.data.reading.found import Found
from keras_centernet.errors import DataWarning, UserError

STORED_WH, BOX = (96, 64), (10, 20, 34, 28)  # not square, no symmetry
CONVERTED = r"1 image\(s\) of another size than their labels state, boxes are converted"


def draw(path, orientation=1, stored_wh=STORED_WH, box=BOX):
    """Writes a black photo with a white rectangle, and an EXIF tag that says how to rotate it."""
    pixels = np.zeros((stored_wh[1], stored_wh[0], 3), np.uint8)
    pixels[box[1] : box[3], box[0] : box[2]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(path, exif=exif, quality=95)
    return path


def found_with(*images, is_relative=False):
    """What a reader finds: (path, stated (width, height), box) of each image."""
    found = Found("data (train)", is_relative=is_relative)
    for path, stated_wh, box in images:
        found.add_object(found.add_image(path, hw=stated_wh[::-1]), "rectangle", box, 1)
    return found


def bright_box(image):
    """x1, y1, x2, y2 of the white rectangle."""
    rows, columns = np.nonzero(image.mean(axis=-1) > 127)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def boxes_of(source):
    return [(example["image"], example["boxes_xyxy"][0]) for example in source.examples().as_numpy_iterator()]


def read(*images, **options):
    return to_source(found_with(*images, **options), DataRequest("data"))


@pytest.mark.parametrize("zoom", [1, 3, 0.5])
@pytest.mark.parametrize("orientation", range(5, 9))
def test_labels_on_stored_pixels_turn_with_the_photo(tmp_path, orientation, zoom):
    path = draw(tmp_path / "a.jpg", orientation)
    stated_wh, box = np.int64(np.multiply(STORED_WH, zoom)), np.multiply(BOX, zoom)
    with pytest.warns(DataWarning, match=f"{CONVERTED}.*with EXIF orientation {orientation} in the file"):
        ((image, found),) = boxes_of(read((path, tuple(stated_wh), box)))
    assert image.shape[:2] == STORED_WH
    np.testing.assert_allclose(found, bright_box(image), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_labels_on_upright_pixels_stay(tmp_path, orientation):
    path = draw(tmp_path / "a.jpg", orientation)
    upright_wh = STORED_WH if orientation < 5 else STORED_WH[::-1]
    ((_, box),) = boxes_of(read((path, upright_wh, BOX)))
    np.testing.assert_array_equal(box, BOX)


@pytest.mark.parametrize("orientation", range(2, 5))
def test_orientations_that_keep_the_size_follow_the_other_photos(tmp_path, orientation):
    """Mirrors and half turns keep the size, which then does not tell how a photo was labelled. Other photos do."""
    path, other = draw(tmp_path / "a.jpg", orientation), draw(tmp_path / "b.jpg", 6)
    with pytest.warns(DataWarning, match=r"2 image\(s\) of another size than their labels state, boxes are converted"):
        source = read((path, STORED_WH, BOX), (other, STORED_WH, BOX))
    for image, box in boxes_of(source):
        np.testing.assert_allclose(box, bright_box(image), atol=1)
    (_, box), _ = boxes_of(read((path, STORED_WH, BOX), (other, STORED_WH[::-1], BOX)))
    np.testing.assert_array_equal(box, BOX)


def test_square_photos_follow_the_others(tmp_path):
    square = draw(tmp_path / "a.jpg", 8, stored_wh=(64, 64))
    with pytest.warns(DataWarning, match=r"2 image\(s\) of another size"):
        source = read((square, (64, 64), BOX), (draw(tmp_path / "b.jpg", 6), STORED_WH, BOX))
    for image, box in boxes_of(source):
        np.testing.assert_allclose(box, bright_box(image), atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_fractions_belong_to_the_upright_image(tmp_path, orientation):
    path = draw(tmp_path / "a.jpg", orientation)
    ((image, box),) = boxes_of(read((path, (0, 0), (0.25, 0.5, 0.75, 1)), is_relative=True))
    height, width = image.shape[:2]
    np.testing.assert_allclose(box, [width / 4, height / 2, 3 * width / 4, height])


@pytest.mark.parametrize(
    "stated_wh", [(96, 64), (97, 64), (95, 65), (0, 0), (96, 0)], ids=["equal", "a pixel", "two pixels", "none", "half"]
)
def test_stated_sizes_that_do_not_contradict_the_file_change_nothing(tmp_path, stated_wh):
    ((_, box),) = boxes_of(read((draw(tmp_path / "a.jpg"), stated_wh, BOX)))
    np.testing.assert_array_equal(box, BOX)


@pytest.mark.parametrize("stated_wh", [(192, 128), (48, 32), (960, 640), (9, 6), (290, 193), (1000, 667)])
def test_boxes_are_scaled_by_one_factor(tmp_path, stated_wh):
    zoom = np.divide(stated_wh, STORED_WH)
    with pytest.warns(DataWarning, match=f"{CONVERTED}; first: .*{stated_wh[0]} x {stated_wh[1]} stated, 96 x 64 in"):
        source = read((draw(tmp_path / "a.jpg"), stated_wh, np.multiply(BOX, np.tile(zoom, 2))))
    np.testing.assert_allclose(source.annotations.boxes_xyxy, [BOX], atol=1e-9)
    np.testing.assert_allclose(source.annotations.areas, [24 * 8], atol=1e-9)


@pytest.mark.parametrize("stated_wh", [(64, 96), (100, 100), (96, 72), (1920, 1080)])
def test_other_proportions_are_skipped(tmp_path, stated_wh):
    good, bad = draw(tmp_path / "a.jpg"), draw(tmp_path / "b.jpg")
    message = r"1 image\(s\) skipped, the size that their labels state has other proportions; first: .*b\.jpg"
    with pytest.warns(DataWarning, match=message):
        source = read((good, STORED_WH, BOX), (bad, stated_wh, BOX))
    assert source.image_names == (str(good),)


def test_strict_stops_at_a_contradiction(tmp_path):
    path = draw(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=re.escape(f"{path}: 192 x 128 stated, 96 x 64 in the file: expected one size")):
        to_source(found_with((path, (192, 128), BOX)), DataRequest("data", strict=True))


def test_keypoints_and_areas_move_along(tmp_path):
    path = draw(tmp_path / "a.jpg", 6)
    found = Found("data (train)")
    index = found.add_image(path, hw=(32, 48))
    corners = [[BOX[0] / 2, BOX[1] / 2, 2], [BOX[2] / 2, BOX[3] / 2, 1]]
    found.add_object(index, "rectangle", np.divide(BOX, 2), 1, area=40, keypoints_xyv=corners)
    with pytest.warns(DataWarning, match=CONVERTED):
        source = to_source(found, DataRequest("data"))
    image, box = boxes_of(source)[0]
    keypoints = source.annotations.fields["keypoints_xyv"][0]
    np.testing.assert_allclose(box, bright_box(image), atol=1)
    # After a quarter turn to the right, the upper left corner is the upper right one.
    np.testing.assert_allclose(keypoints, [[box[2], box[1], 2], [box[0], box[3], 1]], atol=1e-4)
    assert source.annotations.areas.tolist() == [160]
