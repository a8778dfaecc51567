"""What a run computes on: the backend of Keras, its devices here and elsewhere, and what each gets of a batch."""
