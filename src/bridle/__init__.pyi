from .audit import (
    Audit as Audit,
    audit as audit,
)
from .diagnosis import (
    Diagnosis as Diagnosis,
    LearningCurve as LearningCurve,
    diagnose as diagnose,
    learning_curve as learning_curve,
)
from .dialects import (
    DIALECTS as DIALECTS,
    convert_dropout as convert_dropout,
    convert_strength as convert_strength,
)
from .errors import (
    BridleError as BridleError,
    DataError as DataError,
    ModelFileError as ModelFileError,
    RegularizationWarning as RegularizationWarning,
    TrainingError as TrainingError,
    UsageError as UsageError,
)
from .estimators import (
    GapDisplay as GapDisplay,
    MLPClassifier as MLPClassifier,
    MLPClassifierCV as MLPClassifierCV,
    MLPRegressor as MLPRegressor,
    MLPRegressorCV as MLPRegressorCV,
    PathDisplay as PathDisplay,
    WeightDisplay as WeightDisplay,
    from_sklearn as from_sklearn,
    to_sklearn as to_sklearn,
)
from .inspection import (
    CoAdaptation as CoAdaptation,
    co_adaptation as co_adaptation,
    feature_tiles as feature_tiles,
    tile_sheet as tile_sheet,
)
from .models import (
    Ablation as Ablation,
    FitResult as FitResult,
    Recipe as Recipe,
    Strengths as Strengths,
    TableModel as TableModel,
    ablate as ablate,
    audit_model as audit_model,
    fit as fit,
    load as load,
    save_model as save_model,
)
from .modules import (
    Attachment as Attachment,
    Before as Before,
    Joint as Joint,
    Receipt as Receipt,
    Replacement as Replacement,
    SupportAverage as SupportAverage,
    adaptive_l1 as adaptive_l1,
    attach as attach,
    regularize as regularize,
    replace_dropout as replace_dropout,
)
from .networks import (
    Dataset as Dataset,
    History as History,
    Network as Network,
    predict as predict,
    train as train,
    train_step as train_step,
)
from .noise import (
    AlphaDropout as AlphaDropout,
    ConcreteDropout as ConcreteDropout,
    DropConnect as DropConnect,
    Dropout as Dropout,
    DropPath as DropPath,
    FeatureAlphaDropout as FeatureAlphaDropout,
    GaussianDropout as GaussianDropout,
    LockedDropout as LockedDropout,
    Scheduled as Scheduled,
    SpatialDropout as SpatialDropout,
    WeightDrop as WeightDrop,
    early_dropout as early_dropout,
    late_dropout as late_dropout,
)
from .ops import address_of as address_of
from .penalties import (
    L1 as L1,
    L2 as L2,
    MCP as MCP,
    SCAD as SCAD,
    Annealed as Annealed,
    ElasticNet as ElasticNet,
    Grouped as Grouped,
    Grouping as Grouping,
    GroupLasso as GroupLasso,
    LogSum as LogSum,
    MaxNorm as MaxNorm,
    NOfM as NOfM,
    NonNegative as NonNegative,
    NuclearNorm as NuclearNorm,
    RootNorm as RootNorm,
    SortedL1 as SortedL1,
    SparseGroupLasso as SparseGroupLasso,
    Sparsity as Sparsity,
    WeightDecay as WeightDecay,
    WeightedL1 as WeightedL1,
)
from .report import (
    Report as Report,
    report_of as report_of,
    write_report as write_report,
)
from .schedules import (
    CosineSchedule as CosineSchedule,
    CubicSchedule as CubicSchedule,
    LinearSchedule as LinearSchedule,
    StepSchedule as StepSchedule,
)
from .search import (
    SearchResult as SearchResult,
    search as search,
)
from .sparsity import (
    Compacted as Compacted,
    LambdaPath as LambdaPath,
    compact as compact,
    lambda_max as lambda_max,
    lambda_path as lambda_path,
)
from .subnetworks import (
    EnsemblePrediction as EnsemblePrediction,
    GaussianPrediction as GaussianPrediction,
    all_subnetworks as all_subnetworks,
    mean_over_all as mean_over_all,
    predict_ensemble as predict_ensemble,
    predict_gaussian as predict_gaussian,
    subnetwork as subnetwork,
)
from .version import __version__ as __version__
