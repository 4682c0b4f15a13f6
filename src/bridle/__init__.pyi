from .audit import (
    Audit as Audit,
)
from .audit import (
    audit as audit,
)
from .diagnosis import (
    Diagnosis as Diagnosis,
)
from .diagnosis import (
    diagnose as diagnose,
)
from .dialects import (
    DIALECTS as DIALECTS,
)
from .dialects import (
    convert_strength as convert_strength,
)
from .errors import (
    BridleError as BridleError,
)
from .errors import (
    DataError as DataError,
)
from .errors import (
    ModelFileError as ModelFileError,
)
from .errors import (
    RegularizationWarning as RegularizationWarning,
)
from .errors import (
    TrainingError as TrainingError,
)
from .errors import (
    UsageError as UsageError,
)
from .estimators import (
    GapDisplay as GapDisplay,
)
from .estimators import (
    MLPClassifier as MLPClassifier,
)
from .estimators import (
    MLPClassifierCV as MLPClassifierCV,
)
from .estimators import (
    MLPRegressor as MLPRegressor,
)
from .estimators import (
    MLPRegressorCV as MLPRegressorCV,
)
from .estimators import (
    PathDisplay as PathDisplay,
)
from .estimators import (
    WeightDisplay as WeightDisplay,
)
from .estimators import (
    from_sklearn as from_sklearn,
)
from .estimators import (
    to_sklearn as to_sklearn,
)
from .inspection import (
    CoAdaptation as CoAdaptation,
)
from .inspection import (
    co_adaptation as co_adaptation,
)
from .inspection import (
    feature_tiles as feature_tiles,
)
from .inspection import (
    tile_sheet as tile_sheet,
)
from .models import (
    Ablation as Ablation,
)
from .models import (
    FitResult as FitResult,
)
from .models import (
    Recipe as Recipe,
)
from .models import (
    Strengths as Strengths,
)
from .models import (
    TableModel as TableModel,
)
from .models import (
    ablate as ablate,
)
from .models import (
    audit_model as audit_model,
)
from .models import (
    fit as fit,
)
from .models import (
    load as load,
)
from .models import (
    save_model as save_model,
)
from .modules import (
    Attachment as Attachment,
)
from .modules import (
    Before as Before,
)
from .modules import (
    Receipt as Receipt,
)
from .modules import (
    attach as attach,
)
from .modules import (
    regularize as regularize,
)
from .networks import (
    Dataset as Dataset,
)
from .networks import (
    History as History,
)
from .networks import (
    Network as Network,
)
from .networks import (
    predict as predict,
)
from .networks import (
    train as train,
)
from .networks import (
    train_step as train_step,
)
from .noise import (
    AlphaDropout as AlphaDropout,
)
from .noise import (
    ConcreteDropout as ConcreteDropout,
)
from .noise import (
    DropConnect as DropConnect,
)
from .noise import (
    Dropout as Dropout,
)
from .noise import (
    DropPath as DropPath,
)
from .noise import (
    FeatureAlphaDropout as FeatureAlphaDropout,
)
from .noise import (
    GaussianDropout as GaussianDropout,
)
from .noise import (
    LockedDropout as LockedDropout,
)
from .noise import (
    Scheduled as Scheduled,
)
from .noise import (
    SpatialDropout as SpatialDropout,
)
from .noise import (
    WeightDrop as WeightDrop,
)
from .noise import (
    early_dropout as early_dropout,
)
from .noise import (
    late_dropout as late_dropout,
)
from .ops import address_of as address_of
from .penalties import (
    L1 as L1,
)
from .penalties import (
    L2 as L2,
)
from .penalties import (
    Annealed as Annealed,
)
from .penalties import (
    ElasticNet as ElasticNet,
)
from .penalties import (
    GroupLasso as GroupLasso,
)
from .penalties import (
    MaxNorm as MaxNorm,
)
from .report import (
    Report as Report,
)
from .report import (
    report_of as report_of,
)
from .report import (
    write_report as write_report,
)
from .schedules import (
    CosineSchedule as CosineSchedule,
)
from .schedules import (
    LinearSchedule as LinearSchedule,
)
from .schedules import (
    StepSchedule as StepSchedule,
)
from .search import (
    SearchResult as SearchResult,
)
from .search import (
    search as search,
)
from .sparsity import (
    Compacted as Compacted,
)
from .sparsity import (
    LambdaPath as LambdaPath,
)
from .sparsity import (
    compact as compact,
)
from .sparsity import (
    lambda_max as lambda_max,
)
from .sparsity import (
    lambda_path as lambda_path,
)
from .subnetworks import (
    EnsemblePrediction as EnsemblePrediction,
)
from .subnetworks import (
    GaussianPrediction as GaussianPrediction,
)
from .subnetworks import (
    all_subnetworks as all_subnetworks,
)
from .subnetworks import (
    mean_over_all as mean_over_all,
)
from .subnetworks import (
    predict_ensemble as predict_ensemble,
)
from .subnetworks import (
    predict_gaussian as predict_gaussian,
)
from .subnetworks import (
    subnetwork as subnetwork,
)
from .version import __version__ as __version__
