"""What training changes at random in images: where they land, by a function of one's own, colours, mixtures."""
