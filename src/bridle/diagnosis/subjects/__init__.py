"""What a diagnosis can be of: models, searches, histories, estimators, modules, predictions."""
