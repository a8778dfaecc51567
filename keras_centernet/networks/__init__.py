"""Networks: images -> head maps of stride 4."""
