"""Small models of every task whose detections are spread over the picture."""

import numpy as np
import pytest

from keras_centernet import CenterNet
from keras_centernet.tasks import TASKS


@pytest.fixture(scope="module", params=list(TASKS))
def model_of_task(request):
    """One untrained model per task, all of whose maps differ from cell to cell."""
    rng = np.random.default_rng(4)
    model = CenterNet(
        "mobilenet_v3_small_minimalistic", task=request.param, classes=("cat", "dög"), input_size=(64, 96)
    )
    for head in model.task.heads:
        kernel = model.network.get_layer(head.name).kernel
        kernel.assign(rng.normal(0, 0.7, kernel.shape))
    return model


@pytest.fixture
def pictures(rng):
    """Pictures of several sizes: halved twice, enlarged, upright, one that fits."""
    return [rng.integers(0, 256, (*size_hw, 3), np.uint8) for size_hw in ((270, 390), (31, 40), (131, 77), (64, 96))]
