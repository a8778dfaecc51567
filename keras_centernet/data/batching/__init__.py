"""From examples to batches: padded, in order or in numbered epochs, on this machine or by a tf.data service."""
