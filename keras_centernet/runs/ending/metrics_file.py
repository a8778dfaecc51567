"""`metrics.json`: how good the best weights of a run are, and what made them."""

from keras_centernet.files.json_file import JsonFormat
from keras_centernet.runs.folder import METRICS_MARK, METRICS_VERSION

RUN = "run"  # key of what made the weights
# Files of version 1 hold metrics alone.
METRICS_FILE = JsonFormat(
    {
        "seconds_training?": object,
        "parameters?": int,
        "best_epoch?": (int, None),
        "thresholds?": {str: object},
        f"{RUN}?": {"versions": {str: str}, "seed": int, "data": {str: object}, "command": str, "?": object},
        "?": object,
    },
    advice="remove it, and --resume writes it anew",
    version=METRICS_VERSION,
    version_key=METRICS_MARK,
)
