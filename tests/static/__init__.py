"""What the static checks read with: imports and calls of Python and Cython files."""
