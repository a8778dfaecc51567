"""tf.data service: other machines read, decode, augment and warp; the training machine only batches.

The service's workers are plain TensorFlow processes without this package, so all that they run must consist of
TensorFlow operations (`Source.service_examples`, `in_graph`).
"""

import socket
import urllib.parse

import tensorflow as tf

from keras_centernet.data.checks import check_no_order
from keras_centernet.data.source import Source
from keras_centernet.errors import UserError, first_line

_SECONDS_TO_ANSWER = 10


def check_data_service(address: str, source: Source, training: bool, limit: int | None, shard: tuple[int, int]) -> None:
    """Raises unless a dispatcher answers at the address and the data can be distributed for training."""
    if source.service_examples is None:
        advice = "which TensorFlow reads without Python; write them with keras-centernet make-tfrecords."
        raise UserError(f"{source.name}: expected records for data_service, {advice}")
    if not training:
        raise UserError("data_service: expected training=True; evaluation needs every image exactly once. Remove it.")
    if limit is not None:
        raise UserError(f"limit: expected None with data_service, got {limit}: each worker has a limit of its own.")
    check_no_order("data_service", shard=shard)
    try:
        url = urllib.parse.urlsplit(address)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not address.startswith("grpc://") or not host or not port:
        raise UserError(f"data_service: expected an address such as grpc://10.0.0.2:5000, got {address!r}.")
    try:
        socket.create_connection((host, port), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        problem = f"got '{error.strerror or error}'; start it with tf.data.experimental.service.DispatchServer."
        raise UserError(f"data_service: expected a dispatcher that answers at {address}, {problem}") from None


def distribute(dataset: tf.data.Dataset, address: str) -> tf.data.Dataset:
    """Returns the data set as made by the workers of a service.

    Sharding is dynamic: the dispatcher gives each file of an epoch to the next worker that asks for one, so an epoch
    contains every image once for any number of workers. If a worker dies, the epoch waits until a worker answers at its
    address again; the examples of its files that it had not yet sent are missing in that epoch. The order depends on
    the speed of the workers, so no seed fixes it. The caller makes the batches, so that no partial batch is lost per
    worker.

    Raises:
        UserError: the dispatcher refuses the data set.
    """
    options = tf.data.Options()
    options.deterministic = False
    policy = tf.data.experimental.service.ShardingPolicy.DYNAMIC
    # Images hardly shrink: compressing them costs more than sending them.
    service = tf.data.experimental.service.distribute(policy, address, compression=None)
    try:
        return dataset.with_options(options).apply(service)
    except tf.errors.OpError as error:
        raise UserError(f"data_service: the dispatcher at {address} refused: {first_line(error)}.") from None
