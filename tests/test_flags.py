"""Options that are booleans take nothing else: "no" would count as true."""

import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

import bridle
from bridle.errors import UsageError
from bridle.tables import ReadOptions

TABLE = pd.DataFrame({"x": range(60), "y": ["p", "q"] * 30})
DATA = (TABLE[["x"]], TABLE["y"])


def _fitted():
    return DecisionTreeClassifier().fit(TABLE[["x"]], TABLE["y"])


FLAGS = {
    "embeddings": lambda flag: bridle.search(TABLE, "y", embeddings=flag, configurations=2),
    "resume": lambda flag: bridle.search(TABLE, "y", resume=flag, configurations=2),
    "reference": lambda flag: bridle.diagnose(_fitted(), DATA, reference=flag),
    "shuffled_labels": lambda flag: bridle.diagnose(_fitted(), DATA, shuffled_labels=flag),
    "audit": lambda flag: bridle.diagnose(_fitted(), DATA, audit=flag),
    "header": lambda flag: ReadOptions(header=flag),
    "shared": lambda flag: bridle.Dropout(keep_prob=0.5, shared=flag),
    "per_example": lambda flag: bridle.DropConnect(keep_prob=0.5, per_example=flag),
    "batch_first": lambda flag: bridle.LockedDropout(keep_prob=0.5, batch_first=flag),
    "freeze": lambda flag: bridle.Sparsity(0.5, ramp=3, freeze=flag),
    "shrink": lambda flag: bridle.Sparsity(0.5, ramp=3, shrink=flag),
    "global_": lambda flag: bridle.Sparsity(0.5, ramp=3, global_=flag),
    "cautious": lambda flag: bridle.WeightDecay(0.1, cautious=flag),
}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("flag", ["no", 1])
def test_only_booleans_are_flags(name, flag):
    with pytest.raises(UsageError, match=f"{name} is {flag!r}; it must be True or False"):
        FLAGS[name](flag)


def test_hidden_layers_that_are_none():
    for hidden in ("64", 64, (64,), []):
        with pytest.raises(
            UsageError, match=r"hidden is .*must be a sequence of the hidden layers"
        ):
            bridle.search(TABLE, "y", hidden=hidden, configurations=2)


def test_one_missing_cell_is_not_taken_letter_by_letter():
    assert ReadOptions(missing="-999").missing == ("-999",)
    assert ReadOptions(missing=[-999, "?"]).missing == ("-999", "?")


@pytest.mark.parametrize("name", ["sep", "decimal", "encoding", "comment", "date_format"])
def test_reading_options_are_strings(name):
    with pytest.raises(UsageError, match=f"{name} is 3; it must be a string"):
        ReadOptions(**{name: 3})


def test_reading_is_an_object_of_options():
    with pytest.raises(UsageError, match=r"reading is \{'sep': ','\}; it must be a bridle.tables"):
        bridle.fit(TABLE, "y", reading={"sep": ","})
