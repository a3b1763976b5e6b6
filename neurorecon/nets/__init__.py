"""The student network, its parts, and the models that are found offline."""

from neurorecon.nets.model_registry import (
    Model,
    find_model,
    list_models,
    load_model,
    model_of,
    place_of_model,
    verify_model,
)

__all__ = ["Model", "find_model", "list_models", "load_model", "model_of", "place_of_model", "verify_model"]
