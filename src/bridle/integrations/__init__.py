"""Callbacks for Lightning, Hugging Face's Trainer and skorch; search logs for TensorBoard, MLflow.

Each module needs its framework. bridle has an extra of the same name, which installs it.
"""
