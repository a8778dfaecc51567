"""The fields of objects and images in KITTI's files that no task needs."""

from keras_centernet.method.specs import FieldSpec

KITTI_FIELDS = {
    "rotations_y": FieldSpec(record_key="image/object/3d/rotation_y"),
    "truncations": FieldSpec(record_key="image/object/3d/truncation"),
    "occlusions": FieldSpec("int32", record_key="image/object/3d/occlusion"),
    "kitti_types": FieldSpec("int32", record_key="image/object/3d/kitti_type"),
    "calibration": FieldSpec("float32", (3, 4), of_image=True, record_key="image/camera/calibration"),
}
