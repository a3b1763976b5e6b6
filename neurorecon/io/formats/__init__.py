"""One file a format; `format_registry` chooses among them."""
