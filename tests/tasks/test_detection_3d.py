"""3D detection: targets, losses, decoding and locations against the published arrays, and its own laws."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_centernet import UserError, camera
from keras_centernet.errors import DataWarning
from keras_centernet.fitting.objective import divide, head_losses, weighted_sum
from keras_centernet.geometry import affine, invert_affine, transform_boxes, transform_points, xywh_to_xyxy
from keras_centernet.method.decode import decode
from keras_centernet.method.losses import bin_and_residual
from keras_centernet.method.peaks import read_at
from keras_centernet.method.targets import encode_targets
from keras_centernet.tasks import TASKS
from keras_centernet.tasks.classes import KITTI_CLASSES
from keras_centernet.tasks.detection_3d import to_alpha, to_depth
from tests.helpers.loss_values import mean

MAP_HW, SLOTS, MORE = (96, 320), 50, 60
OURS = {
    "center_heatmap": "hm",
    "depth": "dep",
    "dimensions": "dim",
    "rotation": "rot",
    "size": "wh",
    "offset": "reg",
}
CALIBRATION = np.array([[720.0, 0, 610, 45], [0, 720, 173, 0.2], [0, 0, 1, 0.003]])


def build(**options):
    return TASKS["detection_3d"].build(KITTI_CLASSES, **options)


def nhwc(array):
    return np.moveaxis(array, 1, -1)


def scene_objects(arrays, scene):
    """A published scene. Ignored annotations become crowds in rows after the 50 that are compared."""
    matrix = affine(arrays[f"{scene}_c"], arrays[f"{scene}_s"], 0, (4 * MAP_HW[1], 4 * MAP_HW[0]))
    corners = xywh_to_xyxy(arrays[f"{scene}_boxes_xywh"]).astype("float32").astype("float64")
    boxes_xyxy = transform_points(corners.reshape(-1, 2), matrix).reshape(-1, 4)
    rows = SLOTS + MORE
    objects = {
        "boxes_xyxy": np.zeros((rows, 4), "float32"),
        "classes": np.zeros(rows, "int32"),
        "mask": np.zeros(rows, bool),
        "is_crowd": np.zeros(rows, bool),
        "locations_xyz": np.zeros((rows, 3), "float32"),
        "dimensions_hwl": np.zeros((rows, 3), "float32"),
        "alphas": np.zeros(rows, "float32"),
    }
    free = SLOTS
    for i, index in enumerate(arrays[f"{scene}_classes"]):
        ignored = {-1: (0, 1, 2), -2: (0,), -3: (1,)}.get(int(index), ())
        for slot, name in ((i, index),) if index >= 0 else ((free + j, c) for j, c in enumerate(ignored)):
            objects["boxes_xyxy"][slot], objects["classes"][slot] = boxes_xyxy[i], name
            objects["mask"][slot], objects["is_crowd"][slot] = True, index < 0
            objects["locations_xyz"][slot] = (0, 0, arrays[f"{scene}_depth"][i])
            objects["dimensions_hwl"][slot] = arrays[f"{scene}_dim_hwl"][i]
            objects["alphas"][slot] = arrays[f"{scene}_alpha"][i]
        free += len(ignored)
    batch = {key: value[None] for key, value in objects.items()}
    return batch | {"is_zoomed": np.array([scene == "aug"])}


@pytest.mark.parametrize("scene", ["a", "b", "keep", "aug", "rect"])
def test_targets_equal_the_published_ones(fixture, scene):
    arrays = fixture("ddd_target")
    task = build(ignore="rectangle" if scene == "rect" else "center")
    encoded = encode_targets(task, scene_objects(arrays, scene), MAP_HW)
    targets = {name: np.asarray(value)[0] for name, value in encoded.items()}
    published = {key: arrays[f"{scene}_{key}"] for key in ("rot_mask", "reg_mask", "ind", "rotbin", "rotres")}
    np.testing.assert_array_equal(targets["center_mask"][:SLOTS], published["rot_mask"])
    assert not targets["center_mask"][SLOTS:].any()
    for name in ("depth", "dimensions"):
        np.testing.assert_array_equal(targets[f"{name}_mask"][:SLOTS], published["reg_mask"])
    real = published["rot_mask"].astype(bool)
    np.testing.assert_array_equal(targets["center_index"][:SLOTS][real], published["ind"][real])
    measured = published["reg_mask"].astype(bool)
    for name in ("size", "offset"):
        np.testing.assert_allclose(targets[name][:SLOTS][real], arrays[f"{scene}_{OURS[name]}"][real], atol=2e-4)
    for name in ("depth", "dimensions"):
        np.testing.assert_allclose(
            targets[name][:SLOTS][measured], arrays[f"{scene}_{OURS[name]}"][measured], atol=1e-5
        )
    bins, residuals = targets["rotation"][:SLOTS, :2], targets["rotation"][:SLOTS, 2:]
    np.testing.assert_array_equal(bins[real], published["rotbin"][real])
    inside = published["rotbin"].astype(bool) & real[:, None]
    np.testing.assert_allclose(residuals[inside], published["rotres"][inside], atol=1e-5)
    np.testing.assert_allclose(np.moveaxis(targets["center_heatmap"], -1, 0), arrays[f"{scene}_hm"], atol=1e-4)


@pytest.mark.parametrize("scene", ["a", "keep", "aug", "rect"])
def test_hidden_regions_are_what_the_published_code_ignores(fixture, scene):
    """Hidden regions give the targets of crowds, which older records have in their place."""
    task = build(ignore="rectangle" if scene == "rect" else "center")
    objects = scene_objects(fixture("ddd_target"), scene)
    hidden = objects | {"is_hidden": objects["is_crowd"], "is_crowd": np.zeros_like(objects["is_crowd"])}
    assert hidden["is_hidden"].any()
    expected, received = (encode_targets(task, one, MAP_HW) for one in (objects, hidden))
    assert received.keys() == expected.keys()
    counts = np.asarray(expected["center_mask"])
    for key, values in expected.items():
        values, others = np.asarray(values), np.asarray(received[key])
        if key == "center_index":  # rows that do not count may have any index
            values, others = values[counts], others[counts]
        np.testing.assert_array_equal(others, values)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("zeros for everything", {"locations_xyz": [0, 0, 0], "dimensions_hwl": [0, 0, 0]}),
        ("KITTI's values of unknown ones", {"locations_xyz": [-1000] * 3, "dimensions_hwl": [-1] * 3}),
        ("behind the camera", {"locations_xyz": [1, 1, -5]}),
        ("flat", {"dimensions_hwl": [1.5, 0, 3]}),
    ],
)
def test_objects_without_a_3d_box_are_ignored(name, change):
    """Records that were made for 2D detection hold such objects."""
    row = {"boxes_xyxy": [16, 12, 52, 40], "classes": 1, "mask": True, "is_crowd": False, "is_hidden": False}
    row |= {"locations_xyz": [1, 1, 20], "dimensions_hwl": [1.5, 1.6, 3.9], "alphas": 0.3}
    real, flat = ({key: np.array([[value]]) for key, value in (row | more).items()} for more in ({}, change))
    targets, expected = (
        encode_targets(build(), one, MAP_HW) for one in (flat, real | {"is_crowd": np.array([[True]])})
    )
    for key, values in expected.items():
        np.testing.assert_array_equal(np.asarray(targets[key]) * 1, np.asarray(values) * 1)
    assert np.max(targets["center_heatmap"]) == np.float32(0.9999)
    assert np.max(encode_targets(build(), real, MAP_HW)["center_heatmap"]) == 1


def published_targets(arrays):
    bins, residuals = arrays["ddd_b_rotbin"].astype("float32"), arrays["ddd_b_rotres"]
    return {
        "center_index": arrays["ddd_b_ind"],
        "center_mask": arrays["ddd_b_rot_mask"],
        "depth_mask": arrays["ddd_b_reg_mask"],
        "dimensions_mask": arrays["ddd_b_reg_mask"],
        "center_heatmap": nhwc(arrays["ddd_b_hm"]),
        "rotation": np.concatenate([bins, residuals], -1),
        **{name: arrays[f"ddd_b_{OURS[name]}"] for name in ("depth", "dimensions", "size", "offset")},
    }


def test_losses_and_gradients_equal_the_published_ones(fixture):
    arrays, task = fixture("losses_ddd"), build()
    targets = published_targets(arrays)
    maps = {ours: tf.constant(nhwc(arrays[f"ddd_s0_{theirs}"])) for ours, theirs in OURS.items()}
    with tf.GradientTape() as tape:
        tape.watch(maps)
        losses = divide(head_losses(task, [maps], targets))
        total = weighted_sum(task, losses)
    for ours, theirs in (OURS | {"offset": "off"}).items():
        expected = float(arrays[f"ddd_stat_{theirs}_loss"])
        assert float(losses[ours]) == pytest.approx(expected, rel=2e-4), ours
    assert float(total) == pytest.approx(float(arrays["ddd_stat_loss"]), rel=2e-4)
    gradients = tape.gradient(total, maps)
    for ours, theirs in OURS.items():
        expected = nhwc(arrays[f"ddd_s0_grad_{theirs}"])
        actual = tf.convert_to_tensor(gradients[ours])
        np.testing.assert_allclose(actual, expected, atol=3e-4 * np.abs(expected).max(), err_msg=ours)


def test_orientation_loss_and_its_gradient_equal_the_published_ones(fixture):
    arrays, full = fixture("losses_ddd"), fixture("losses")
    maps = tf.constant(nhwc(arrays["rot_out"]))
    target = np.concatenate([arrays["rot_bin"], arrays["rot_res"]], -1).astype("float32")
    with tf.GradientTape() as tape:
        tape.watch(maps)
        loss = mean(*bin_and_residual(read_at(maps, full["reg_ind"]), target, full["reg_mask"]))
    assert float(loss) == pytest.approx(float(arrays["rot_loss"]), rel=1e-4)
    expected = nhwc(arrays["rot_grad"])
    np.testing.assert_allclose(tape.gradient(loss, maps), expected, atol=2e-4 * np.abs(expected).max())
    nothing = mean(*bin_and_residual(read_at(maps, full["reg_ind"]), np.zeros_like(target), full["reg_mask"] * 0))
    assert float(nothing) == pytest.approx(float(arrays["rot_loss_empty"]), rel=1e-4)


def test_depth_equals_the_published_transform(fixture):
    arrays = fixture("losses_ddd")
    np.testing.assert_allclose(to_depth(arrays["depth_logits"]), arrays["depth_transformed"], rtol=1e-4, atol=1e-6)


def test_alpha_equals_the_published_choice_of_bins(fixture):
    arrays = fixture("post_process")
    np.testing.assert_allclose(to_alpha(arrays["alpha_rot"].astype("float32")), arrays["alpha"], atol=1e-5)


def published_maps(arrays):
    def logit(p):
        return np.log(p / (1 - p)).astype("float32")

    depth = nhwc(arrays["ddd_dep"]).astype("float64")
    return {
        "center_heatmap": logit(nhwc(arrays["ddd_hm"]).astype("float64")),
        "depth": logit(1 / (1 + depth) - 1e-6),
        **{ours: nhwc(arrays[f"ddd_{OURS[ours]}"]) for ours in ("dimensions", "rotation", "size", "offset")},
    }


def test_detections_equal_the_published_ones(fixture):
    arrays = fixture("decode_ddd")
    found = {key: np.asarray(value) for key, value in decode(build(), published_maps(arrays)).items()}
    expected = arrays["ddd_dets"]
    np.testing.assert_allclose(found["points_xy"], expected[..., :2], atol=1e-4)
    np.testing.assert_allclose(found["scores"], expected[..., 2], atol=1e-6)
    np.testing.assert_allclose(found["alphas"], to_alpha(expected[..., 3:11]), atol=1e-5)
    np.testing.assert_allclose(found["depths"], expected[..., 11], rtol=2e-3)
    np.testing.assert_allclose(found["dimensions_hwl"], expected[..., 12:15], atol=1e-5)
    sizes_wh = found["boxes_xyxy"][..., 2:] - found["boxes_xyxy"][..., :2]
    np.testing.assert_allclose(sizes_wh, expected[..., 15:17], atol=1e-4)
    np.testing.assert_array_equal(found["classes"], expected[..., 17])


@pytest.mark.parametrize("kind", ["fix", "keep"])
def test_locations_in_the_camera_frame_equal_the_published_post_processing(fixture, kind):
    arrays, task = fixture("post_process"), build()
    found = {key: np.asarray(v) for key, v in decode(task, published_maps(fixture("decode_ddd"))).items()}
    for b in range(2):
        map_to_image = invert_affine(affine(arrays[f"{kind}_c"][b], arrays[f"{kind}_s"][b], 0, (48, 32)))
        rows = {key: value[b] for key, value in found.items()}
        rows["points_xy"] = transform_points(rows["points_xy"], map_to_image)
        extras = task.postprocess(rows, arrays["calibs"][0])
        order = np.argsort(rows["classes"], kind="stable")  # the published rows are grouped by class
        expected = arrays[f"ddd_{kind}_b{b}"]
        np.testing.assert_allclose(extras["alpha"][order], expected[:, 1], atol=1e-4)
        np.testing.assert_allclose(extras["dimensions"][order], expected[:, 6:9], atol=1e-4)
        np.testing.assert_allclose(extras["locations"][order], expected[:, 9:12], rtol=3e-3, atol=2e-2)
        # As published: alpha is not wrapped before the ray's angle is added, so ours may differ by a full turn.
        turn = (extras["rotation_y"][order] - expected[:, 12] + math.pi) % (2 * math.pi) - math.pi
        np.testing.assert_allclose(turn, 0, atol=1e-4)
        # The published code transforms the size like a point, so it is off by the transform's shift.
        boxes = transform_boxes(rows["boxes_xyxy"], map_to_image)[order]
        widths = expected[:, 4] - expected[:, 2]
        np.testing.assert_allclose(boxes[:, 2] - boxes[:, 0] - widths, -map_to_image[0, 2], rtol=1e-3, atol=0.05)


def test_the_inverse_of_encoding_is_decoding(rng):
    """Objects at any place and of any orientation are decoded unchanged with any camera."""
    task = build(projection=True)
    count, hw = 8, (96, 160)
    # One object per square of a grid, so that no two share a cell.
    fields = rng.permutation(24)[:count]
    centers = np.stack([fields % 6, fields // 6], -1) * (25, 22) + 12 + rng.uniform(0, 5, (count, 2))
    half = rng.uniform(3, 8, (count, 2))
    image_to_input = affine((300, 180), 640, 0, (hw[1] * 4, hw[0] * 4))
    boxes = np.concatenate([centers - half, centers + half], -1) * 4
    depths = rng.uniform(5, 60, count)
    image_xy = transform_points(
        boxes.reshape(-1, 2, 2).mean(1) + rng.uniform(-9, 9, (count, 2)), invert_affine(image_to_input)
    )
    dimensions = rng.uniform(0.5, 4, (count, 3))
    rotations_y = rng.uniform(-math.pi, math.pi, count)
    alphas = rotations_y - np.arctan2(image_xy[:, 0] - CALIBRATION[0, 2], CALIBRATION[0, 0])
    alphas = (alphas + math.pi) % (2 * math.pi) - math.pi
    locations, _ = camera.locate(image_xy, depths + CALIBRATION[2, 3], dimensions, alphas, CALIBRATION)
    objects = {
        "boxes_xyxy": boxes,
        "classes": rng.integers(0, 3, count),
        "mask": np.ones(count, bool),
        "is_crowd": np.zeros(count, bool),
        "locations_xyz": locations,
        "dimensions_hwl": dimensions,
        "alphas": alphas,
        "calibration": CALIBRATION,
        "image_to_input": image_to_input,
    }
    batch = {key: np.asarray(value)[None] for key, value in objects.items()}
    targets = {k: np.asarray(v) for k, v in encode_targets(task, batch, hw).items()}
    maps = {"center_heatmap": np.where(targets["center_heatmap"] == 1, 9.0, -9.0).astype("float32")}
    for head in task.heads[1:]:
        values = targets[head.name][0]
        if head.name == "depth":
            values = np.log(1 / (1 / (1 + values) - 1e-6) - 1) * -1
        if head.name == "rotation":
            on, angle = values[:, :2], values[:, 2:]
            columns = [[1 - on[:, i], on[:, i], np.sin(angle[:, i]), np.cos(angle[:, i])] for i in range(2)]
            values = np.stack([*columns[0], *columns[1]], -1)
        maps[head.name] = np.zeros((1, *hw, head.channels), "float32")
        maps[head.name].reshape(-1, head.channels)[targets["center_index"][0]] = values
    found = {k: np.asarray(v)[0] for k, v in decode(task, maps, top_k=count).items()}
    points_xy = transform_points(found["points_xy"] * 4, invert_affine(image_to_input))
    extras = task.postprocess(found | {"points_xy": points_xy}, CALIBRATION)
    order = [int(np.argmin(np.abs(found["boxes_xyxy"] * 4 - box).sum(-1))) for box in boxes]
    assert sorted(order) == list(range(count))
    np.testing.assert_array_equal(found["classes"][order], objects["classes"])
    np.testing.assert_allclose(found["boxes_xyxy"][order] * 4, boxes, atol=1e-3)
    np.testing.assert_allclose(extras["locations"][order], locations, rtol=2e-3, atol=2e-2)
    np.testing.assert_allclose(extras["dimensions"][order], dimensions, atol=1e-4)
    turn = (extras["rotation_y"][order] - rotations_y + math.pi) % (2 * math.pi) - math.pi
    np.testing.assert_allclose(turn, 0, atol=1e-3)


def test_without_a_calibration_kittis_camera_is_assumed_with_a_warning():
    rows = {
        "points_xy": np.array([[761.565, 225.46]]),
        "depths": np.array([20.0]),
        "dimensions_hwl": np.array([[1.5, 1.6, 3.9]]),
        "alphas": np.array([-0.2]),
    }
    with pytest.warns(DataWarning, match="3D boxes without a calibration: KITTI's usual camera is assumed"):
        extras = build().postprocess(rows, camera.calibration_or_default(None))
    np.testing.assert_allclose(extras["locations"][0], (4.394208, 2.023337, 19.99502), rtol=1e-5)
    assert extras["rotation_y"][0] == pytest.approx(0.0191561, abs=1e-6)
    with pytest.raises(UserError, match="calibration"):
        camera.calibration_or_default(np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"averages": "sum"}, r"averages must be one of \('published', 'objects'\), got 'sum'"),
        ({"ignore": "never"}, r"ignore must be one of \('center', 'rectangle'\), got 'never'"),
        ({"radius": "big"}, "radius must be one of"),
    ],
)
def test_unknown_options(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
