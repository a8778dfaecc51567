"""The paper as pure functions of tensors: what a task is, its targets, losses, decoding, the flip test."""
