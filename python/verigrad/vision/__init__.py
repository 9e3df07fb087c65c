"""Images: data sets, models and transforms under torchvision's names."""

from . import datasets, models, transforms

__all__ = ["datasets", "models", "transforms"]
