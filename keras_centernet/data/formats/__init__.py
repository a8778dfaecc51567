"""One file per data format; `table` lists them."""
