"""What must work on a machine without TensorFlow, as many GPU machines are. Argument: a folder to write to."""

import os
import sys


class Missing:
    """Makes TensorFlow look as if it were not installed."""

    def find_spec(self, name, path=None, target=None):
        """Raises a ModuleNotFoundError for TensorFlow."""
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(folder: str) -> None:
    """Builds, trains, evaluates, detects, saves and loads a model."""
    os.environ["KERAS_BACKEND"] = "jax"
    sys.meta_path.insert(0, Missing())
    import keras
    import numpy as np

    from keras_centernet import AveragePrecision, CenterNet, evaluate, load_model
    from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

    add_tiny_backbone()
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (8, 64, 64, 3), np.uint8)
    labels = {"boxes": np.tile(np.float32([8, 8, 40, 48]), (8, 1, 1)), "labels": np.ones((8, 1), np.int32)}
    model = CenterNet(TINY, classes=["cat", "dog"], input_size=64)
    model.compile(keras.optimizers.Adam(0.01), average_decay=0.9)
    measure = AveragePrecision((images, labels))
    history = model.fit(images, labels, batch_size=4, epochs=2, verbose=0, callbacks=[measure]).history
    assert history["loss"][1] < history["loss"][0], history
    assert set(model.evaluate(images, labels, verbose=0, return_dict=True)) < set(history)
    assert measure.report.metrics["AP"] == evaluate(model, (images, labels)).metrics["AP"]
    found = model.detect(list(images), threshold=0.0)
    model.save(f"{folder}/model.keras")
    again = load_model(f"{folder}/model.keras").detect(list(images), threshold=0.0)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
    assert "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
