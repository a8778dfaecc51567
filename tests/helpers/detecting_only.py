"""A machine that only detects: Keras, its backend, NumPy, OpenCV and what these need are the only packages.

Arguments: the backend, a folder to write to.
"""

import importlib.metadata
import os
import re
import sys

OURS = ("keras_centernet", "tests")
BY_PYTHON_ITSELF = {"_distutils_hack"}  # setuptools' hook, which starts with the interpreter


class NothingElse:
    """Makes every other installed package look as if it were not installed: no finder finds it."""

    def __init__(self, roots, finders):
        kept, self.finders = closure(roots), finders
        self.refused = {
            module
            for module, names in importlib.metadata.packages_distributions().items()
            if not kept & {plain(name) for name in names} and module not in OURS
        }

    def find_spec(self, name, path=None, target=None):
        """Returns what the finders find, and None for refused packages."""
        if name.partition(".")[0] in self.refused:
            return None
        specs = (finder.find_spec(name, path, target) for finder in self.finders)
        return next((spec for spec in specs if spec is not None), None)


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(roots):
    """Returns the names of packages and of all their requirements."""
    found, waiting = set(), [plain(name) for name in roots]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            needed = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # of another platform
            continue
        waiting += [plain(re.match(r"[\w.-]+", text)[0]) for text in needed if "extra ==" not in text]
    return found


def main(backend: str, folder: str) -> None:
    """Saves, loads, detects in an array and a glob with every task, and uses the detections."""
    os.environ["KERAS_BACKEND"] = backend
    nothing_else = NothingElse(["keras", "numpy", "opencv-python-headless", backend], sys.meta_path[:])
    assert {"matplotlib", "pycocotools", "PIL", "tqdm", "yaml", "ai_edge_litert"} <= nothing_else.refused
    sys.meta_path[:] = [nothing_else]
    import cv2
    import keras
    import numpy as np

    import keras_centernet
    from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

    add_tiny_backbone()
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    cv2.imwrite(f"{folder}/image.png", image[..., ::-1])
    for task in keras_centernet.TASKS:
        keras.utils.set_random_seed(0)
        keras_centernet.CenterNet(TINY, task=task, input_size=64).save(f"{folder}/model.keras")
        model = keras_centernet.load_model(f"{folder}/model.keras")
        found = model.detect([image, f"{folder}/*.png"], threshold=0.0, top_k=5)
        assert [len(one) for one in found] == [5, 5]
        np.testing.assert_array_equal(found[0].boxes_xyxy, found[1].boxes_xyxy)
        found[1].draw(f"{folder}/drawn_{task}.jpg")
        assert len(found[0].to_dict()["detections"]) == 5
    assert keras_centernet.load_model(folder).task.name == task
    from_elsewhere = {name.partition(".")[0] for name in sys.modules} & nothing_else.refused
    assert from_elsewhere <= BY_PYTHON_ITSELF, from_elsewhere


if __name__ == "__main__":
    main(*sys.argv[1:])
