"""How each data set's own files are laid out: what there is, what is missing, which split it belongs to."""
