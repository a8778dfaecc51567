"""From examples to batches: padded, in order or in numbered epochs, here or on machines of a tf.data service."""
