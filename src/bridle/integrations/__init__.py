"""Callbacks that regularize where people train: Lightning, Hugging Face's Trainer, skorch.

Each module needs its framework: ``pip install 'bridle[lightning]'``, ``'bridle[transformers]'`` or
``'bridle[skorch]'``.
"""
