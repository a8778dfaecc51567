"""Detection graphs: few are traced, and all say the same."""

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet import predictor as graphs
from keras_centernet.geometry import to_input_frame
from keras_centernet.networks.layers.deformable import without_islands


def traces(model):
    return [graph.experimental_get_tracing_count() for graph in model.graphs._graphs.values()]


def test_equal_shapes_share_their_graphs(tiny_model):
    model = tiny_model()
    for count in (1, 1, 3, 1):
        model.detect_batch(np.zeros((count, 64, 64, 3), "uint8"))
    assert traces(model) == [1, 1] * 2  # maps and decoding of batches of one and of three


@pytest.mark.parametrize(
    ("backbone", "compiled", "flips"),
    [
        ("mobilenet_v3_small_minimalistic", 1, (False, True)),
        ("resnet18", 0, (False,)),  # deformable: XLA would compile every shape anew
    ],
)
def test_shapes_beyond_the_first_share_one_graph_and_find_the_same(
    tiny_model, rng, monkeypatch, backbone, compiled, flips
):
    monkeypatch.setattr(graphs, "COMPILED_SHAPES", compiled)
    model = tiny_model(backbone)
    for flip in flips:
        for shape in [(1, 64, 64, 3), (1, 64, 96, 3), (2, 32, 64, 3)]:
            images = rng.integers(0, 256, shape, np.uint8)
            found = model.detect_batch(images, 20, flip=flip)
            with without_islands():
                maps = model.graphs._flipped_maps(images) if flip else model(images)
            expected = to_input_frame(graphs.decode(model.task, maps, 20))
            for key in expected:
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-4, atol=1e-3)
    kinds = compiled + 1  # maps of one shape and of all others
    assert traces(model) == [1] * (kinds * len(flips) + compiled)  # and one decoding


def test_3d_has_no_flip_test(tiny_model):
    model = tiny_model(task="detection_3d", classes=None)
    with pytest.raises(UserError, match="flip: expected False for task detection_3d, which has no flip test; got True"):
        model.detect_batch(np.zeros((1, 64, 64, 3), "uint8"), flip=True)
