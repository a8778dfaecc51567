"""The user's own labelled images in Python: arrays, tf.data, `PyDataset`, PyTorch loaders, in Keras' conventions.

`batches` converts them for `fit` and `evaluate` without augmentation; `sources` makes a `Source` of them for
`load_dataset`. Labels are a dict of "boxes" and "labels" ("classes" in KerasCV), see `labels`. In this folder "ours"
means the format of the batches of `load_dataset`: (images, padded objects).
"""
