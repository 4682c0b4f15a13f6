"""Measurements of each kind of subject: models, searches, histories, estimators, modules."""
