"""MLflow's REST protocol over run tracking, for clients of MLflow 3."""

from tropism.entrypoints.api.mlflow.routes import router

__all__ = ["router"]
