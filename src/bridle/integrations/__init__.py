"""Callbacks for Lightning, Hugging Face's Trainer and skorch; search logs for TensorBoard, MLflow.

Each module needs its framework, for example ``pip install 'bridle[lightning]'``.
"""
