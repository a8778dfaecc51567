"""Graphs whose weights are frozen to constants find what the model finds, and follow every change of weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.detecting.graphs import compiling, freezing
from keras_centernet.detecting.graphs.freezing import CannotFreeze, Frozen

IMAGES = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3), np.uint8)


def shake_statistics(model):
    """Sets random batch statistics, as after training; those of a new model are 0 and 1."""
    rng = np.random.default_rng(5)
    for variable in model.network.variables:
        if "moving_mean" in variable.path:
            variable.assign(rng.normal(0, 0.3, variable.shape))
        if "moving_variance" in variable.path or "gamma" in variable.path:
            variable.assign(rng.uniform(0.5, 2, variable.shape))


@pytest.fixture(scope="module")
def trained(tiny_model):
    model = tiny_model()
    shake_statistics(model)
    model.compile(average_decay=0.5)
    return model


@pytest.fixture
def at_once(monkeypatch):
    """Makes graphs freeze before the first batch."""
    monkeypatch.setattr(compiling, "FREEZE_AFTER", 0)


def traced(function):
    spec = tf.TensorSpec(IMAGES.shape, tf.uint8)
    return tf.function(function, [spec], autograph=False).get_concrete_function()


def assert_as_the_model(found, model):
    for name, values in model.decoded(IMAGES).items():
        largest = np.abs(values).max()  # corners are differences of such values
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5 * largest, err_msg=name)


def assert_same_maps(maps, expected):
    assert list(maps) == list(expected)
    for name, values in maps.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)


def frozen_detections(model):
    """Detects with new graphs, whose weights are constants."""
    model.__dict__.pop("predictor", None)
    found = model.detect_batch(IMAGES)
    assert graph_of_maps(model).is_frozen
    return found


def graph_of_maps(model):
    return next(graph for key, graph in model.predictor.graphs.items() if key[0] == "maps")


def nested_batch_norm(images):
    """A backbone of Keras layers: a bias before the norm, a transposed convolution, a map that two layers read."""
    x = keras.layers.Conv2D(4, 3, strides=4, padding="same")(images)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, use_bias=False)(x)
    x = keras.layers.ReLU()(keras.layers.BatchNormalization(scale=False)(x))
    x = keras.layers.Conv2DTranspose(6, 2, strides=2, use_bias=False)(x)
    return keras.layers.Concatenate()([x, keras.layers.BatchNormalization(center=False)(x)])


def test_frozen_maps_are_those_of_the_model(tiny_model):
    model = tiny_model(nested_batch_norm)
    shake_statistics(model)
    assert_same_maps(Frozen(traced(lambda images: model(images, training=False)))(IMAGES), model(IMAGES))


def norms_in(graph_def):
    return sum(node.op.startswith("FusedBatchNorm") for node in graph_def.node)


def test_norms_whose_weights_are_variables_are_not_folded(trained):
    graph = traced(lambda images: trained(images, training=False)).graph.as_graph_def()
    assert norms_in(graph) == 2
    assert freezing.fold_batch_normalization(graph) == 0


def test_norms_are_folded_into_a_convolution_that_nothing_else_reads():
    def norm(x):
        scale, offset, mean, variance = (tf.constant([value] * 3, tf.float32) for value in (2, 1, 3, 4))
        return tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, mean=mean, variance=variance, is_training=False
        )[0]

    def two_norms(images):
        kernel = tf.ones((3, 3, 3, 3))
        x = norm(tf.nn.conv2d(tf.cast(images, tf.float32), kernel, 1, "SAME"))
        read_twice = tf.nn.conv2d(x, kernel, 1, "SAME")
        return norm(read_twice) + read_twice

    graph = traced(two_norms).graph.as_graph_def()
    assert norms_in(graph) == 2
    assert freezing.fold_batch_normalization(graph) == 1
    assert norms_in(graph) == 1


def test_detections_are_those_of_the_model(trained, at_once):
    assert_as_the_model(frozen_detections(trained), trained)


def calls_until_frozen(model):
    for count in range(40):
        if graph_of_maps(model).is_frozen:
            return count
        model.detect_batch(IMAGES)
    return None


def test_freezing_waits_for_some_batches_and_for_more_if_weights_change_often(trained, monkeypatch):
    monkeypatch.setattr(compiling, "FREEZE_AFTER", 8)
    trained.__dict__.pop("predictor", None)
    trained.detect_batch(IMAGES)
    found = []
    for _ in range(3):
        found.append(calls_until_frozen(trained))
        add_in_place(trained, None)
        assert_as_the_model(trained.detect_batch(IMAGES), trained)
    assert found == [8, 16, 32]  # each count includes the last call, which freezes


def test_exact_maps_have_the_same_bits_in_each_batch(trained, at_once):
    trained.__dict__.pop("predictor", None)
    maps = [trained.predictor.maps(IMAGES, exact=True) for _ in range(2)]
    for name, expected in trained(IMAGES, training=False).items():
        assert all(np.array_equal(one[name], maps[0][name]) for one in maps)
        np.testing.assert_allclose(maps[0][name], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


def a_kernel(model):
    return model.network.get_layer("conv2").kernel


def assign(model, _):
    a_kernel(model).assign(a_kernel(model) * 2)


def set_weights(model, _):
    model.network.set_weights([values * 1.25 for values in model.network.get_weights()])


def load_weights(model, folder):
    model.save_weights(folder / "x.weights.h5")
    saved = frozen_detections(model)
    assign(model, folder)
    assert not np.allclose(frozen_detections(model)["scores"], saved["scores"])
    model.load_weights(folder / "x.weights.h5")
    np.testing.assert_allclose(model.detect_batch(IMAGES)["scores"], saved["scores"], rtol=1e-4)


def add_in_place(model, _):
    a_kernel(model).value.assign_add(tf.ones(a_kernel(model).shape))


def assign_one_number(model, _):
    a_kernel(model).value[0, 0, 0, 0].assign(50.0)


def own_graph(model, _):
    kernel = a_kernel(model).value
    tf.function(lambda: kernel.assign_add(tf.ones(kernel.shape)), autograph=False)()


def own_graph_of_xla(model, _):
    kernel = a_kernel(model).value
    tf.function(lambda: kernel.assign(kernel * 3), autograph=False, jit_compile=True)()


def statistics_alone(model, _):
    model.network(tf.random.uniform((2, 64, 64, 3)), training=True)


CHANGES = (assign, set_weights, load_weights, add_in_place, assign_one_number, own_graph, own_graph_of_xla)


@pytest.mark.parametrize("change", [*CHANGES, statistics_alone])
def test_changed_weights_count_at_once(trained, at_once, tmp_path, change):
    before = frozen_detections(trained)
    change(trained, tmp_path)
    found = trained.detect_batch(IMAGES)
    assert_as_the_model(found, trained)
    assert change is load_weights or not np.array_equal(found["scores"], before["scores"])


@pytest.mark.slow
def test_weights_change_in_training_and_for_the_average_in_it(trained, at_once, batch):
    frozen_detections(trained)
    for _ in range(2):
        trained.train_on_batch(*batch)
        assert_as_the_model(trained.detect_batch(IMAGES), trained)
    frozen_detections(trained)
    with trained.averaged():
        averaged = trained.detect_batch(IMAGES)
        assert_as_the_model(averaged, trained)
    found = trained.detect_batch(IMAGES)
    assert_as_the_model(found, trained)
    assert not np.array_equal(found["scores"], averaged["scores"])


def test_a_graph_stays_frozen_while_weights_do_not_change(trained, at_once, tmp_path):
    frozen_detections(trained)
    trained.save(tmp_path / "model.keras")
    trained.network.get_layer("conv1").trainable = False
    trained.detect_batch(IMAGES)
    assert graph_of_maps(trained).is_frozen
    trained.network.get_layer("conv1").trainable = True


def test_graphs_that_cannot_be_frozen_stay_as_they_are(trained, at_once, monkeypatch):
    monkeypatch.setattr(freezing, "MOST_BYTES", 100)
    trained.__dict__.pop("predictor", None)
    for _ in range(2):
        assert_as_the_model(trained.detect_batch(IMAGES), trained)
    assert not graph_of_maps(trained).is_frozen


def test_what_cannot_be_frozen(monkeypatch):
    counter = tf.Variable(0.0)

    def counted(images):
        return {"count": counter.assign_add(1.0) + tf.cast(images[0, 0, 0, 0], tf.float32)}

    with pytest.raises(CannotFreeze, match="does more with variables than to read them"):
        Frozen(traced(counted))

    @tf.function(jit_compile=True, autograph=False)
    def inner(images):
        return tf.cast(images, tf.float32) * counter

    with pytest.raises(CannotFreeze, match="functions inside"):
        Frozen(traced(lambda images: {"product": inner(images)}))
    monkeypatch.setattr(freezing, "MOST_BYTES", 3)
    with pytest.raises(CannotFreeze, match="too large"):
        Frozen(traced(lambda images: {"product": tf.cast(images, tf.float32) * counter}))


def test_inside_a_graph_the_graph_stays_as_it_is(trained, at_once):
    frozen_detections(trained)
    expected = trained.detect_batch(IMAGES)
    found = next(iter(tf.data.Dataset.from_tensors(IMAGES).map(trained.detect_batch)))
    np.testing.assert_allclose(found["scores"], expected["scores"], rtol=1e-4)
