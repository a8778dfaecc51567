"""Models by name, as folders, and at hubs."""

from keras_centernet.presets.folder import save_to_preset
from keras_centernet.presets.hub import upload_preset
from keras_centernet.presets.load import load_named, with_overrides
