"""One run of a tiny network on the backend of KERAS_BACKEND, which kills itself at POINT if one is given.

python -m tests.helpers.one_run OPTIONS [POINT NUMBER]      OPTIONS of `TrainSettings` as JSON
"""

import json
import sys

from keras_centernet.data.formats import shapes
from keras_centernet.errors import UserError
from keras_centernet.runs.settings import TrainSettings
from keras_centernet.runs.train import train
from tests.helpers.killed_runs import IMAGES, OPTIONS, die_at
from tests.helpers.tiny_backbone import TINY, add_tiny_backbone

if __name__ == "__main__":
    shapes.SPLIT_SIZES.update(IMAGES)
    add_tiny_backbone()
    if len(sys.argv) > 2:
        die_at(sys.argv[2], int(sys.argv[3]))
    try:
        train(TrainSettings(**{"backbone": TINY, "resume": True} | OPTIONS | json.loads(sys.argv[1])))
    except UserError as error:
        sys.exit(f"one_run: {error}")
