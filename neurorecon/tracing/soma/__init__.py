"""Where the cell bodies are: in the soma map, in the foreground, in the grey stack."""
