"""Export of a model with its table's transformers to other formats: ONNX."""
