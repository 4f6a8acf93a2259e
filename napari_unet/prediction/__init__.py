"""Prediction with a portable model, on OpenVINO."""
