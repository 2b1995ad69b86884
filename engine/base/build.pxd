"""How this build was made: mode, flags, compiler."""
