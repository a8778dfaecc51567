"""One of N shares of the inputs of `predict`, for a scheduler that runs the same command N times.

A share is every N-th file of the sorted list of all inputs. It is processed part by part, and an existing part is not
made again::

    OUTPUT/detections-00002-of-00016/
        shard.json           inputs and options of the parts, and how many there will be
        part-00000.jsonl     a line per image: `Detections.to_dict`, or {"path", "error"} if it cannot be read
        drawings/            copies of the images with the detections, unless --no-draw

A video is one part with a line per frame.
"""

from keras_centernet.cli.shards.shard import PART_SIZE, Shard, list_parts
from keras_centernet.cli.shards.work import check_shard_options, predict_shard
