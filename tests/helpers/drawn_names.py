"""Draws names with a font that has one letter; run in an interpreter of its own, because fonts are found only once."""

import pathlib
import sys
import warnings

import numpy as np
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure

from keras_centernet.drawing import draw_boxes
from keras_centernet.drawing.charts.texts import draw_legend, label_of
from keras_centernet.drawing.fonts import writable
from keras_centernet.drawing.lettering import measure_text, write_text

LETTER, SIDE = "\u4e2d", 800  # the letter is a black square of that side, in thousandths of an em


def square():
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for point in ((100, SIDE), (100 + SIDE, SIDE), (100 + SIDE, 0)):
        pen.lineTo(point)
    pen.closePath()
    return pen.glyph()


def build_font(path):
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "middle"])
    font.setupCharacterMap({ord(LETTER): "middle"})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "middle": square()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "middle": (1000, 100)})
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": "One Letter", "styleName": "Regular"})
    font.setupOS2(sTypoAscender=900, usWinAscent=900, usWinDescent=100)
    font.setupPost()
    font.save(path)


def main(folder):
    build_font(folder / "OneLetter.ttf")
    (folder / "Broken.ttf").write_bytes(b"no font")

    font_manager.findSystemFonts = lambda: [str(path) for path in sorted(folder.iterdir())]
    warnings.simplefilter("error")
    print(writable(f"7 {LETTER} я"))
    canvas = np.zeros((60, 200, 3), np.uint8)
    write_text(canvas, f"7 {LETTER} я", (10, 40), 1, (255, 255, 255), 1)
    is_white = canvas[40 - 24 : 40, :, 0] == 255  # 0.8 of an em of 30 pixels
    print(np.all(is_white, axis=0).sum(), measure_text(f"7 {LETTER} я", 1, 1)[0][0] <= 200)
    figure = Figure()
    axes = figure.add_subplot()
    axes.plot([0, 1], label=label_of(f"{LETTER} я"))
    draw_legend(axes)
    figure.savefig(folder / "chart.png")
    print(axes.get_legend().get_texts()[0].get_text())

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for name in ("\u6587", "\u6587 2", "\u732b", "".join(map(chr, range(0x4E00, 0x4E14)))):
            draw_boxes(canvas, [[10, 30, 50, 50]], [0], [name])
    print(len(said))
    for warning in said:
        print(warning.category.__name__, warning.message)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
