"""Losses and their gradients, compared with the published implementation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_centernet.fitting.objective import divide, head_losses, weighted_sum
from keras_centernet.method.losses import box_giou, clipped_focal, masked_l1, masked_smooth_l1, penalty_reduced_focal
from keras_centernet.method.peaks import read_at
from keras_centernet.tasks import TASKS
from tests.helpers.loss_values import mean


def nhwc(array):
    return np.moveaxis(array, 1, -1).astype("float32")


def focal_and_gradient(logits, target, focal=penalty_reduced_focal, **options):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = mean(*focal(logits, target, **options))
    return float(loss), tape.gradient(loss, logits)


def test_focal_equals_the_published_loss_and_gradient(fixture):
    arrays = fixture("losses")
    logits, target = nhwc(arrays["focal_logits"]), nhwc(arrays["focal_gt"])
    expected = nhwc(arrays["focal_grad_logits"])
    loss, gradient = focal_and_gradient(logits, target, clipped_focal)
    assert loss == pytest.approx(float(arrays["focal_loss"]), rel=1e-5)
    np.testing.assert_allclose(gradient, expected, atol=1e-6 + 1e-5 * np.abs(expected).max())


def test_the_form_without_clamp_differs_only_where_the_clamp_acts(fixture):
    arrays = fixture("losses")
    logits, target = nhwc(arrays["focal_logits"]), nhwc(arrays["focal_gt"])
    loss, gradient = focal_and_gradient(logits, target)
    inside = np.abs(1 / (1 + np.exp(-logits)) - 0.5) < 0.5 - 1e-4
    expected = nhwc(arrays["focal_grad_logits"])
    np.testing.assert_allclose(
        np.asarray(gradient)[inside], expected[inside], atol=1e-6 + 1e-5 * np.abs(expected).max()
    )
    assert loss == pytest.approx(float(arrays["focal_loss"]), rel=2e-2)


def test_the_hand_written_gradient_equals_automatic_differentiation(rng):
    logits = rng.normal(0, 3, (2, 4, 5, 3)).astype("float32")
    target = np.where(rng.random((2, 4, 5, 3)) < 0.1, 1.0, rng.random((2, 4, 5, 3)) * 0.9).astype("float32")
    _, ours = focal_and_gradient(logits, target)
    _, automatic = focal_and_gradient(logits, target, clipped_focal, clip=1e-12)
    np.testing.assert_allclose(ours, automatic, atol=1e-5)


def test_focal_without_any_centre_is_not_divided(fixture):
    arrays = fixture("losses")
    loss, _ = focal_and_gradient(nhwc(arrays["focal_logits"]), nhwc(arrays["focal_gt_nopos"]), clipped_focal)
    assert loss == pytest.approx(float(arrays["focal_loss_nopos"]), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_extreme_logits_stay_finite(dtype):
    logits = tf.cast([[[[-60.0, 60.0, -60.0, 60.0]]]], dtype)
    loss, gradient = focal_and_gradient(logits, np.array([[[[0, 0, 1, 1]]]], "float32"))
    assert np.isfinite(loss)
    assert gradient.dtype == logits.dtype
    assert np.isfinite(np.asarray(gradient, "float32")).all()


def test_masked_l1_equals_the_published_loss(fixture):
    arrays = fixture("losses")
    prediction = read_at(nhwc(arrays["reg_out"]), arrays["reg_ind"])
    value = mean(*masked_l1(prediction, arrays["reg_target"], arrays["reg_mask"]))
    assert float(value) == pytest.approx(float(arrays["reg_l1"]), rel=1e-5)
    by_coordinate = mean(*masked_l1(prediction, arrays["reg_target"], arrays["reg_wmask"]))
    assert float(by_coordinate) == pytest.approx(float(arrays["reg_weighted_l1"]), rel=1e-5)


def test_masked_l1_of_nothing_is_zero(fixture):
    arrays = fixture("losses")
    prediction = read_at(nhwc(arrays["reg_out"]), arrays["reg_ind"])
    value = mean(*masked_l1(prediction, arrays["reg_target"], np.zeros_like(arrays["reg_mask"])))
    assert float(value) == float(arrays["reg_l1_emptymask"]) == 0.0


OURS = {"center_heatmap": "hm", "size": "wh", "offset": "reg"}


@pytest.mark.parametrize(("prefix", "stacks"), [("ct", 1), ("ct2", 2)])
def test_detection_loss_and_its_gradients_equal_the_published_ones(fixture, prefix, stacks):
    arrays = fixture("losses")
    task = TASKS["detection"].build(("a", "b", "c"))
    targets = {
        "center_index": arrays[f"{prefix}_b_ind"],
        "center_mask": arrays[f"{prefix}_b_reg_mask"],
        "center_heatmap": nhwc(arrays[f"{prefix}_b_hm"]),
        "size": arrays[f"{prefix}_b_wh"],
        "offset": arrays[f"{prefix}_b_reg"],
    }
    maps = [
        {ours: tf.constant(nhwc(arrays[f"{prefix}_s{i}_{theirs}"])) for ours, theirs in OURS.items()}
        for i in range(stacks)
    ]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        losses = divide(head_losses(task, maps, targets))
        total = weighted_sum(task, losses)
    assert float(total) == pytest.approx(float(arrays[f"{prefix}_stat_loss"]), rel=2e-4)
    assert float(losses["size"]) == pytest.approx(float(arrays[f"{prefix}_stat_wh_loss"]), rel=1e-5)
    assert float(losses["offset"]) == pytest.approx(float(arrays[f"{prefix}_stat_off_loss"]), rel=1e-5)
    gradients = tape.gradient(total, maps)
    for i in range(stacks):
        for ours, theirs in OURS.items():
            key = f"{prefix}_s{i}_grad_{theirs}"
            if key in arrays:
                expected = nhwc(arrays[key])
                np.testing.assert_allclose(
                    keras.ops.convert_to_numpy(gradients[i][ours]),
                    expected,
                    atol=2e-4 * np.abs(expected).max(),
                )


def slow_giou(box, other):
    """GIoU of two (x1, y1, x2, y2), as the paper writes it."""
    area = lambda b: max(b[2] - b[0], 0) * max(b[3] - b[1], 0)  # noqa: E731
    common = area([max(box[0], other[0]), max(box[1], other[1]), min(box[2], other[2]), min(box[3], other[3])])
    hull = area([min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])])
    union = area(box) + area(other) - common
    return common / union - (hull - union) / hull


def test_giou_equals_a_slow_loop_over_decoded_boxes(rng):
    sizes, true_sizes = rng.uniform(1, 9, (2, 3, 2)), rng.uniform(1, 9, (2, 3, 2))
    offsets, true_offsets = rng.uniform(-1, 2, (2, 3, 2)), rng.uniform(0, 1, (2, 3, 2))
    mask = np.array([[1, 1, 0], [1, 0, 0]], bool)
    total, count = box_giou(sizes, true_sizes, mask, offset=(offsets, true_offsets))
    boxes, true_boxes = (
        np.concatenate([xy - wh / 2, xy + wh / 2], -1) for xy, wh in ((offsets, sizes), (true_offsets, true_sizes))
    )
    expected = sum(1 - slow_giou(boxes[i], true_boxes[i]) for i in zip(*np.nonzero(mask), strict=True))
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert float(count) == 3


def test_smooth_l1_by_hand():
    total, _ = masked_smooth_l1(
        np.float32([[[0.5, 3.0], [9, 9]]]), np.zeros((1, 2, 2), "float32"), np.array([[True, False]])
    )
    assert float(total) == pytest.approx(0.125 + 2.5)
