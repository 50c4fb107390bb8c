"""Fitted estimators for other programs."""

from skae.io._onnx import to_onnx

__all__ = ["to_onnx"]
