"""What a run computes on: the backend of Keras, its devices here and elsewhere, and the part of a batch that each gets."""
