"""Licence and metrics of a model: what they may be, and when they stop being true."""

import math

import pytest

from keras_centernet import CenterNet, UserError, load_model
from keras_centernet.about import About, measured
from keras_centernet.presets import with_overrides

SAID = About("apache-2.0", {"AP": 0.25, "AP50": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"licence": "two\nlines"}, "licence: expected a line of up to 200 characters, got 'two"),
        ({"licence": ""}, "licence: expected a line"),
        ({"licence": 3}, "licence: expected a line"),
        ({"licence": "x" * 201}, "licence: expected a line"),
        ({"metrics": [1]}, r"metrics: expected up to 1000 numbers by name, got \[1\]"),
        ({"metrics": {"AP": math.nan}}, "metrics: expected finite numbers by name, got {'AP': nan}"),
        ({"metrics": {"AP": "high"}}, "metrics: expected finite numbers"),
        ({"metrics": {"AP": True}}, "metrics: expected finite numbers"),
        ({"metrics": {3: 0.5}}, "metrics: expected finite numbers"),
        ({"metrics": {str(i): i for i in range(1001)}}, "metrics: expected up to 1000"),
    ],
)
def test_other_values_are_refused(values, message):
    with pytest.raises(UserError, match=message):
        About(**values)


def test_a_file_keeps_licence_and_metrics(tiny_model, tmp_path):
    model = tiny_model()
    assert model.about == About()
    model.about = SAID
    model.save(tmp_path / "a.keras")
    assert load_model(tmp_path / "a.keras").about == SAID
    assert CenterNet.from_config(model.get_config()).about == SAID


def test_a_configuration_without_them_gives_empty_facts(tiny_model):
    config = tiny_model().get_config()
    del config["about"]
    assert CenterNet.from_config(config).about == About()


def test_training_and_overrides_drop_the_metrics_but_keep_the_licence(tiny_model, batch):
    model = tiny_model()
    model.about = SAID
    assert with_overrides(model, {}).about == SAID
    assert with_overrides(model, {"input_size": 96}).about == About("apache-2.0")
    model.compile("sgd")
    model.fit(*batch, verbose=0)
    assert model.about == About("apache-2.0")


def test_a_model_has_metrics_inside_a_context(tiny_model):
    model = tiny_model()
    model.about = About("mit")
    with measured(model, {"AP": 0.5, "AP_large": math.nan}):
        assert model.about == About("mit", {"AP": 0.5})
    assert model.about == About("mit")
