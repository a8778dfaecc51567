"""Drawings: what they show, at any size, and the errors when they cannot be made."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from keras_centernet.detecting.detections import Detections
from keras_centernet.drawing import draw_boxes, draw_curves, draw_precision_recall, write_image
from keras_centernet.drawing.boxes import PALETTE, class_color, ink_on
from keras_centernet.drawing.grid import GridRow, draw_grid, overlay_heatmap
from keras_centernet.errors import UserError

GRAY = 120

NO_FOLDER = "could not be written (No such file or directory). Free some space or name another path."


def gray_image(height, width):
    return np.full((height, width, 3), GRAY, np.uint8)


def is_color(drawing, color):
    return np.all(drawing == color, axis=-1)


def test_a_box_has_the_color_of_its_class_on_its_four_edges():
    drawing = draw_boxes(gray_image(100, 100), [[20, 30, 70, 80]], [1], line_width=1)
    painted = is_color(drawing, class_color(1))
    expected = np.zeros((100, 100), bool)
    expected[30:81, 20:71] = True
    expected[31:80, 21:70] = False
    np.testing.assert_array_equal(painted, expected)
    np.testing.assert_array_equal(drawing[~painted], GRAY)


def test_the_first_box_lies_on_top():
    drawing = draw_boxes(gray_image(50, 50), [[5, 5, 40, 40], [5, 5, 40, 40]], [0, 1])
    assert is_color(drawing, class_color(0)).any()
    assert not is_color(drawing, class_color(1)).any()


def test_the_image_itself_is_not_painted_on():
    image = gray_image(50, 50)
    draw_boxes(image, [[5, 5, 40, 40]], [0], ["x"])
    np.testing.assert_array_equal(image, GRAY)


@pytest.mark.parametrize("side", [320, 640, 1280, 2560])
def test_labels_take_the_same_part_of_every_large_image(side):
    box = np.array([0.1, 0.5, 0.9, 0.9]) * side
    drawing = draw_boxes(gray_image(side, side), [box], [0], ["label 0.90"])
    above = np.any(drawing != GRAY, axis=-1)[: int(0.5 * side)]
    right_of_label = above[:, int(0.8 * side)]  # columns of the box's own line, without the label
    rows, columns = above[~right_of_label].any(axis=1), above[~right_of_label].any(axis=0)
    assert 0.02 < rows.sum() / side < 0.05
    assert 0.1 < columns.sum() / side < 0.3


@pytest.mark.parametrize(
    ("image_hw", "boxes_xyxy"),
    [
        pytest.param((1, 1), [[0, 0, 1, 1]], id="one pixel"),
        pytest.param((3, 500), [[0, 0, 500, 3]], id="a strip"),
        pytest.param((60, 60), [[-50, -50, 200, 200]], id="larger than the image"),
        pytest.param((60, 60), [[500, 500, 600, 600]], id="outside"),
        pytest.param((60, 60), [[-1e12, 0, 1e12, 30]], id="absurdly large"),
        pytest.param((60, 60), [[10, 10, 10, 10]], id="without area"),
        pytest.param((60, 60), [], id="no box"),
    ],
)
def test_any_box_on_any_image_can_be_drawn(image_hw, boxes_xyxy):
    drawing = draw_boxes(gray_image(*image_hw), boxes_xyxy, [0] * len(boxes_xyxy), ["name"] * len(boxes_xyxy))
    assert drawing.shape == (*image_hw, 3)


def test_a_label_at_the_upper_edge_stays_inside_the_image():
    drawing = draw_boxes(gray_image(100, 200), [[10, 0, 190, 90]], [0], ["name"], line_width=1)
    filled = is_color(drawing, class_color(0))
    assert filled[1:12, 10].all()


@pytest.mark.parametrize(
    ("color", "ink"),
    [((255, 255, 0), (0, 0, 0)), ((0, 0, 120), (255, 255, 255))],
    ids=["dark on yellow", "white on blue"],
)
def test_ink_contrasts_with_the_label(color, ink):
    assert ink_on(color) == ink


def test_colors_differ_and_repeat():
    assert len(set(PALETTE)) == len(PALETTE)
    assert class_color(len(PALETTE)) == class_color(0)


@pytest.mark.parametrize("name", ["out.png", "out.jpg", "out.JPEG"])
def test_write_image_keeps_red_red(tmp_path, name):
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200
    write_image(image, tmp_path / name)
    written = cv2.imread(str(tmp_path / name))[..., ::-1]
    assert np.abs(written.astype(int) - image).max() < 5


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param(
            "out.gif", "expected an image's suffix, one of .jpg, .jpeg, .png; got '.gif'.", id="unknown suffix"
        ),
        pytest.param("out", "expected an image's suffix, one of .jpg, .jpeg, .png; got ''.", id="no suffix"),
        pytest.param(
            "no/out.png",
            "could not be written (No such file or directory). Free some space or name another path.",
            id="no folder",
        ),
    ],
)
def test_an_image_that_cannot_be_written_is_named(tmp_path, name, message):
    with pytest.raises(UserError) as error:
        write_image(gray_image(2, 2), tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: {message}"


def test_a_hot_cell_colors_its_own_pixels():
    heatmap = np.zeros((10, 20))
    heatmap[3, 7] = 1.0
    drawing = overlay_heatmap(gray_image(40, 80), heatmap)
    change = np.abs(drawing.astype(int) - drawing[-1, -1].astype(int)).sum(axis=-1)
    assert np.unravel_index(change.argmax(), change.shape) == (12, 28)  # cell * 4, without half a pixel
    assert change[12 - 4, 28] == change[12 + 4, 28] == 0


def row(height, width, count):
    boxes = np.tile([[0.2 * width, 0.2 * height, 0.8 * width, 0.8 * height]], (count, 1))
    objects = Detections(boxes, [0.9] * count, [0] * count, ["car"] * count)
    return GridRow(gray_image(height, width), objects, objects, np.zeros((8, 8)))


def test_grid_has_a_line_per_example_and_four_columns(tmp_path):
    rows = [row(48, 64, 1), row(64, 48, 0), row(1, 1, 0), row(900, 1200, 2)]
    drawing = draw_grid(rows, tmp_path / "grid.png")
    heights = [270, 360, 360, 270]  # 360 px for the longer side, 8 px between, 44 px for the titles
    assert drawing.shape == (44 + sum(heights) + 8 * 4, 4 * 360 + 5 * 8, 3)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "grid.png"))[..., ::-1], drawing)
    titles = drawing[:44].min(axis=(0, 2)) < 128
    assert all(titles[8 + i * 368 : 368 + i * 368].any() for i in range(4))


def test_grid_draws_truth_and_detections_in_their_columns():
    example = row(360, 360, 1)
    example.truth = example.truth[:0]
    columns = [draw_grid([example])[44:404, 8 + i * 368 : 368 + i * 368] for i in range(3)]
    assert [is_color(column, class_color(0)).any() for column in columns] == [False, False, True]


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(UserError) as error:
        draw_grid([])
    assert str(error.value) == "draw_grid: expected at least one row, got none. Is the data set empty?"


HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "size_loss": [9.0, 8.0, 7.0],
    "val_loss": [3.5, 2.5, 2.0],
    "val_AP": [float("nan"), 0.2, 0.4],
    "learning_rate": [1e-3, 5e-4, 0.0],
}


@pytest.mark.parametrize(
    ("history", "panels"),
    [
        pytest.param({"loss": [1.0]}, 1, id="one epoch, one loss"),
        pytest.param({"loss": [0.0, 0.0]}, 1, id="losses of zero"),
        pytest.param({"loss": [1.0, 0.5], "val_AP": [float("nan")] * 2}, 2, id="never evaluated"),
        pytest.param({"lr": [1e-3, 1e-4], "loss": [1.0, 0.5]}, 2, id="lr for learning_rate"),
        pytest.param(HISTORY, 3, id="everything"),
    ],
)
def test_curves_have_a_panel_for_each_kind_of_value(tmp_path, history, panels):
    draw_curves(history, tmp_path / "curves.png")
    height, width, _ = cv2.imread(str(tmp_path / "curves.png")).shape
    assert (height, width) == (520, 676 * panels)


def test_curves_from_a_csv_are_those_from_the_dict(tmp_path):
    lines = ["epoch," + ",".join(HISTORY)]
    lines += [f"{i}," + ",".join(str(values[i]) for values in HISTORY.values()) for i in range(3)]
    (tmp_path / "history.csv").write_text("\n".join(lines).replace("nan", "NA") + "\n")
    draw_curves(tmp_path / "history.csv", tmp_path / "csv.png")
    draw_curves(HISTORY, tmp_path / "dict.png")
    assert (tmp_path / "csv.png").read_bytes() == (tmp_path / "dict.png").read_bytes()


@pytest.mark.parametrize(
    ("history", "message"),
    [
        pytest.param(
            {}, "draw_curves: expected a history of at least one epoch with a loss, got none. Train first.", id="empty"
        ),
        pytest.param(
            "/nowhere/history.csv",
            "/nowhere/history.csv: cannot read the history: No such file or directory.",
            id="no such file",
        ),
    ],
)
def test_a_history_that_cannot_be_drawn_is_named(tmp_path, history, message):
    with pytest.raises(UserError) as error:
        draw_curves(history, tmp_path / "curves.png")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.xyz", "expected an image's suffix such as .png or .jpg; got '.xyz'."),
        ("no/out.png", NO_FOLDER),
    ],
    ids=["unknown suffix", "no folder"],
)
def test_curves_that_cannot_be_written_are_named(tmp_path, name, message):
    with pytest.raises(UserError) as error:
        draw_curves(HISTORY, tmp_path / name)
    assert str(error.value) == f"{tmp_path / name}: {message}"


@pytest.mark.parametrize("count", [0, 1, 3, 80], ids=["no class", "one", "few", "many"])
def test_precision_recall_of_any_number_of_classes(tmp_path, count):
    recall = np.linspace(0, 1, 101)
    curves = {str(i): {"recall": recall, "precision": 1 - recall} for i in range(count)}
    draw_precision_recall(curves, tmp_path / "pr.png")
    assert cv2.imread(str(tmp_path / "pr.png")).shape == (650, 832, 3)


def test_precision_recall_lines_have_the_colors_of_their_classes(tmp_path):
    curves = {"b": {"recall": np.linspace(0, 1, 3), "precision": np.full(3, 0.5)}}
    draw_precision_recall(curves, tmp_path / "pr.png", classes=("a", "b"))
    drawn = cv2.imread(str(tmp_path / "pr.png"))[..., ::-1]
    assert is_color(drawn, class_color(1)).sum() > 100
    assert not is_color(drawn, class_color(0)).any()


@pytest.mark.slow
def test_importing_brings_neither_matplotlib_nor_opencv_nor_pycocotools():
    code = (
        "import sys, keras; before = set(sys.modules); import keras_centernet.detecting.detections, "
        "keras_centernet.drawing, keras_centernet.evaluation; "
        "print([name for name in ('matplotlib', 'cv2', 'pycocotools', 'tqdm') "
        "if name in sys.modules and name not in before])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
