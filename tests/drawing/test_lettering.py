"""Names of any script on images and in charts."""

import cv2
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from keras_centernet.drawing import draw_boxes, draw_curves, draw_precision_recall
from keras_centernet.drawing.boxes import class_color, ink_on
from keras_centernet.drawing.charts.texts import draw_legend, label_of, name_ticks
from keras_centernet.drawing.fonts import writable
from keras_centernet.drawing.lettering import measure_text, write_text
from tests.helpers.processes import run_python

FONT = font_manager.findfont("DejaVu Sans")
OTHER_SCRIPTS = {
    "cyrillic": "кошка",
    "greek": "γάτα",
    "arabic": "قطة",
    "hebrew": "חתול",
    "accents": "dög",
    "mixed": "7 кот",
}
HOSTILE = (
    "$cost$",
    "$",
    "_hidden",
    "__",
    "7",
    "-1.5",
    "a$b^{",
    r"\frac",
    "<b>&amp;",
    "кошка",
    "قطة",
    " ",
    "a\nb",
    "%s",
)


def black(height=60, width=200):
    return np.zeros((height, width, 3), np.uint8)


@pytest.mark.parametrize("text", ["cat 0.90", "7", "", "~!@#$%^&*()_+"])
@pytest.mark.parametrize("scale", [0.35, 0.5, 1.3])
def test_plain_ascii_is_drawn_as_by_opencv(text, scale):
    ours, expected = black(), black()
    write_text(ours, text, (5, 40), scale, (200, 100, 50), 2)
    cv2.putText(expected, text, (5, 40), cv2.FONT_HERSHEY_SIMPLEX, scale, (200, 100, 50), 2, cv2.LINE_AA)
    np.testing.assert_array_equal(ours, expected)
    assert measure_text(text, scale, 2) == cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)


@pytest.mark.parametrize("name", OTHER_SCRIPTS)
@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_other_scripts_are_drawn_with_a_font_that_has_them(name, scale):
    ours, image = black(), Image.new("RGB", (200, 60))
    write_text(ours, OTHER_SCRIPTS[name], (20, 40), scale, (255, 255, 255), 1)
    font = ImageFont.truetype(FONT, round(30 * scale))
    ImageDraw.Draw(image).text((20, 40), OTHER_SCRIPTS[name], "white", font, anchor="ls")
    np.testing.assert_array_equal(ours, np.asarray(image))
    (width, height), below = measure_text(OTHER_SCRIPTS[name], scale, 1)
    rows, columns = np.nonzero(ours[..., 0])
    assert rows.min() >= 40 - height
    assert rows.max() < 40 + below
    assert columns.max() < 20 + width


def test_letters_are_blended_with_the_image():
    canvas, veil = np.full((60, 200, 3), (10, 60, 200), np.uint8), black()
    write_text(veil, "кот", (20, 40), 1, (255, 255, 255), 1)
    write_text(canvas, "кот", (20, 40), 1, (250, 0, 100), 1)
    share = veil / 255
    np.testing.assert_allclose(canvas, (1 - share) * (10, 60, 200) + share * (250, 0, 100), atol=0.51)


@pytest.mark.parametrize(
    "place_xy", [(-20, 30), (90, 30), (10, 3), (10, 58), (-500, 20), (500, 20), (10, -99), (10, 999)]
)
def test_a_text_may_leave_the_image(place_xy):
    ours, large = black(50, 100), black(2000, 2000)
    write_text(ours, "кошка", place_xy, 1, (255, 255, 255), 1)
    write_text(large, "кошка", (place_xy[0] + 900, place_xy[1] + 900), 1, (255, 255, 255), 1)
    np.testing.assert_array_equal(ours, large[900:950, 900:1000])


def test_every_name_is_drawn_once_and_looks_different(monkeypatch):
    def drawn(name):
        return draw_boxes(black(), [[10, 40, 90, 58]], [0], [name])

    drawings = [drawn(name) for name in OTHER_SCRIPTS.values()]
    assert len({drawing.tobytes() for drawing in drawings}) == len(OTHER_SCRIPTS)
    ink = np.array(ink_on(class_color(0)))
    assert all(np.abs(drawing[20:40] - ink).max(axis=-1).min() < 40 for drawing in drawings)
    monkeypatch.delattr(ImageFont, "truetype")
    for name, drawing in zip(OTHER_SCRIPTS.values(), drawings, strict=True):
        np.testing.assert_array_equal(drawn(name), drawing)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", "cat"),
        ("", ""),
        ("кошка", "кошка"),
        ("a\nb", r"a\nb"),
        ("a\tb\0", r"a\tb\x00"),
        ("a\xa0b", "a b"),
        ("e\u0301", "e\u0301"),
        ("\ud800", r"\ud800"),
    ],
)
def test_unwritable_characters_become_their_numbers(text, expected):
    assert writable(text) == expected


@pytest.mark.slow
def test_fonts_of_this_machine_are_used_and_missing_letters_are_counted(tmp_path):
    done = run_python("tests/helpers/drawn_names.py", str(tmp_path), PYTHONIOENCODING="utf-8")
    assert done.returncode == 0, done.stderr[-3000:]
    name, square, in_chart, count, *said = done.stdout.splitlines()
    assert name == "7 \u4e2d я"
    assert square.split() == ["24", "True"]
    assert in_chart == "\u4e2d я"
    assert count == "2"
    what = "letter(s) so far are drawn as their numbers, because no font of this machine has them; first:"
    advice = "Install a font that has them, such as Noto Sans."
    assert said == [
        f"DataWarning 1 {what} U+6587. {advice}",
        f"DataWarning 22 {what} U+4E00, U+4E01, U+4E02. {advice}",
    ]


def test_a_legend_has_every_name_unchanged():
    figure = Figure()
    axes = figure.add_subplot()
    for name in HOSTILE:
        axes.plot([0, 1], label=label_of(name))
    draw_legend(axes)
    figure.canvas.draw()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [writable(name) for name in HOSTILE]


def test_ticks_have_every_name_unchanged():
    figure = Figure()
    axes = figure.add_subplot()
    axes.barh(range(len(HOSTILE)), 1)
    name_ticks(axes.yaxis, HOSTILE)
    figure.canvas.draw()
    assert [text.get_text() for text in axes.get_yticklabels()] == [writable(name) for name in HOSTILE]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_charts_of_any_names_are_drawn(suffix, tmp_path):
    recall = np.linspace(0, 1, 101)
    curves = {name: {"recall": recall, "precision": 1 - recall / 2} for name in HOSTILE}
    draw_precision_recall(curves, tmp_path / f"pr{suffix}")
    draw_curves({"loss": [2, 1], "_$_loss": [1, 1], "val__$": [0.1, 0.2]}, tmp_path / f"curves{suffix}")
    assert all((tmp_path / f"{stem}{suffix}").stat().st_size > 1000 for stem in ("pr", "curves"))
