"""The paper as pure functions of tensors: a task's words, targets, losses, decoding, the flip test."""
