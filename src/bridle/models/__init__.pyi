from .ablation import ablate as ablate
from .ablation_result import Ablated as Ablated, Ablation as Ablation
from .audit import audit_model as audit_model
from .file import load as load, save_model as save_model
from .fit import fit as fit
from .recipe import Recipe as Recipe, Strengths as Strengths
from .result import FitResult as FitResult, Fitted as Fitted
from .table_model import TableModel as TableModel
