"""Draws the images of how_it_works.md by the package's own functions: python docs/images.py."""

import io
import pathlib

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from PIL import Image

from keras_centernet import TASKS, decode, encode_targets
from keras_centernet.data.formats.shapes import build_shapes
from keras_centernet.method.gaussian import geometric_radius, published_radius

HERE = pathlib.Path(__file__).parent
SIDE, STRIDE = 256, 4
INDEX = 4  # of the built-in images: one with objects of several sizes
HIDDEN_SPINES = ["top", "right"]


def read_example():
    """Returns (image (H, W, 3) uint8, objects as a batch of one, names of the classes) of the built-in data set."""
    source = build_shapes("val", image_size=SIDE, size=INDEX + 1)
    *_, example = source.examples().as_numpy_iterator()
    objects = {key: example[key][None] for key in ("boxes_xyxy", "classes")}
    objects["mask"] = np.ones(objects["classes"].shape, bool)
    return example["image"], objects, source.classes


def encode(task, objects: dict) -> dict:
    """Returns the targets of a batch as arrays."""
    targets = encode_targets(task, objects, (SIDE // STRIDE, SIDE // STRIDE))
    return {name: np.asarray(target) for name, target in targets.items()}


def perfect_maps(task, targets: dict) -> dict:
    """Returns {head: (1, Hf, Wf, channels)} that a perfect network would give for one image."""
    maps = {}
    for head in task.heads:
        target = np.asarray(head.target_to_map(targets[head.name]))
        if head.read_at != "everywhere":
            rows, target = target, np.zeros((1, SIDE // STRIDE, SIDE // STRIDE, head.channels), "float32")
            target.reshape(-1, head.channels)[targets["center_index"][0]] = rows[0]
        maps[head.name] = target
    return maps


def panels(titles: list[str], height: float = 3.0):
    """Returns (figure, axes) with one panel without ticks per title."""
    figure, axes = plt.subplots(1, len(titles), figsize=(3 * len(titles), height), layout="constrained")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure, axes


def draw_boxes(axis, boxes_xyxy, texts=()) -> None:
    """Draws boxes in image pixels, and a text above each."""
    for i, (left, top, right, bottom) in enumerate(boxes_xyxy):
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color="#ff9900", linewidth=1.5))
        if len(texts):
            axis.text(left, top - 3, texts[i], color="white", fontsize=7, backgroundcolor="#00000099")


def save(figure, name: str) -> None:
    """Writes a figure beside this file, in a palette: a third of the bytes."""
    figure.savefig(drawn := io.BytesIO(), dpi=100)
    plt.close(figure)
    image = Image.open(drawn).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    image.save(HERE / f"how_{name}.png", optimize=True)


def draw_heatmap(image, objects, targets) -> None:
    """An image, its centre heatmap, and both in one."""
    figure, axes = panels(["image and boxes", "center_heatmap, all classes", "heatmap over the image"])
    heatmap = targets["center_heatmap"][0].max(axis=-1)
    axes[0].imshow(image)
    draw_boxes(axes[0], objects["boxes_xyxy"][0])
    axes[1].imshow(heatmap, cmap="magma")
    axes[2].imshow(image)
    axes[2].imshow(heatmap, cmap="magma", alpha=0.55, extent=(0, SIDE, SIDE, 0))
    save(figure, "heatmap")


def draw_radius(objects, classes) -> None:
    """The two rules of the radius: as numbers over the side of a square, and on the map."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3), layout="constrained")
    sides = np.arange(1, 65, dtype="float32")
    for rule, name in ((published_radius, "published"), (geometric_radius, "geometric")):
        axes[0].plot(sides, np.asarray(rule(np.stack([sides, sides], axis=-1))), label=name)
    axes[0].set(xlabel="side of a square box, cells", ylabel="radius, cells")
    axes[0].spines[HIDDEN_SPINES].set_visible(False)
    axes[0].legend(frameon=False)
    for axis, name in zip(axes[1:], ("published", "geometric"), strict=True):
        targets = encode(TASKS["detection"].build(classes, radius=name), objects)
        axis.imshow(targets["center_heatmap"][0].max(axis=-1), cmap="magma")
        axis.set_title(f"radius={name}", fontsize=10)
        axis.set_axis_off()
    save(figure, "radius")


def draw_losses() -> None:
    """The focal loss of one cell, and how much less a cell near a centre counts."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    p = np.linspace(0.005, 0.995, 200)
    axes[0].plot(p, -((1 - p) ** 2) * np.log(p), label="centre (Y = 1)")
    for target in (0.0, 0.5, 0.8):
        axes[0].plot(p, -((1 - target) ** 4) * p**2 * np.log(1 - p), label=f"other cell, Y = {target}")
    axes[0].set(xlabel="score p of the cell", ylabel="loss", ylim=(0, 5))
    distance = np.arange(0, 9)
    for radius in (2, 4, 8):
        gaussian = np.exp(-(distance**2) / (2 * ((2 * radius + 1) / 6) ** 2)) * (distance <= radius)
        axes[1].plot(distance[1:], (1 - gaussian[1:]) ** 4, marker="o", markersize=3, label=f"radius {radius}")
    axes[1].set(xlabel="distance to the centre, cells", ylabel="weight (1 - Y)⁴", ylim=(0, 1.05))
    for axis in axes:
        axis.spines[HIDDEN_SPINES].set_visible(False)
        axis.legend(frameon=False, fontsize=8)
    save(figure, "losses")


def draw_decoding(image, task, targets) -> None:
    """A heatmap, its peaks, and the boxes that are read there."""
    maps = perfect_maps(task, targets)
    found = {name: np.asarray(value)[0] for name, value in decode(task, maps, top_k=20).items()}
    kept = found["scores"] > 0.3
    boxes_xyxy, classes = found["boxes_xyxy"][kept], found["classes"][kept]
    figure, axes = panels(["heatmap", "peaks of 3 x 3 cells", "size and offset read there"])
    heatmap = targets["center_heatmap"][0].max(axis=-1)
    axes[0].imshow(heatmap, cmap="magma")
    axes[1].imshow(np.zeros_like(heatmap), cmap="magma", vmin=0, vmax=1)
    centers_xy = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2
    axes[1].scatter(*np.floor(centers_xy).T, marker="s", s=9, color="#ff9900")
    axes[2].imshow(image)
    draw_boxes(axes[2], boxes_xyxy * STRIDE, [task.classes[index] for index in classes])
    save(figure, "decoding")


def main() -> None:
    """Writes how_heatmap.png, how_radius.png, how_losses.png and how_decoding.png."""
    image, objects, classes = read_example()
    task = TASKS["detection"].build(classes)
    targets = encode(task, objects)
    draw_heatmap(image, objects, targets)
    draw_radius(objects, classes)
    draw_losses()
    draw_decoding(image, task, targets)


if __name__ == "__main__":
    main()
