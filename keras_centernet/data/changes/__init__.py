"""The random changes of training images: their place in the input, the user's own function, colours and mixtures."""
