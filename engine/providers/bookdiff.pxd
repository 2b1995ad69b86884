"""Where two assemblies of one book differ."""
