"""What a run computes on: Keras' backend, its devices here and elsewhere, and the part of a batch that each gets."""
