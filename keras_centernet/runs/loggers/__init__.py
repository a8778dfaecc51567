"""Where a run is shown besides its folder: TensorBoard, and services on request."""
