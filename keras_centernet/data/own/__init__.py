"""Labelled images that a user has in Python: arrays, tf.data, `PyDataset`, PyTorch loaders, in Keras' conventions.

`batches` brings them to `fit` and `evaluate` as they are; `sources` makes a `Source` of them, for `load_dataset`.
Labels are a dict of "boxes" and "labels" ("classes" in KerasCV), see `labels`.
"""
