# /// script
# requires-python = ">=3.10"
# dependencies = ["pytorch_optimizer==4.1.0", "torch==2.13.0", "numpy"]
# ///
"""Measures the record of pytorch_optimizer."""

import probes
import pytorch_optimizer as po
import torch_probes


def of(name, **options):
    function = getattr(po, name)
    found = torch_probes.decay(function, True, **options)
    found["weight_decouple"] = probes.default(function, "weight_decouple")
    return found


def flag(name):
    return {"weight_decouple": probes.default(getattr(po, name), "weight_decouple")}


fixed = torch_probes.stepper(po.AdaBelief, fixed_decay=True)
without = torch_probes.stepper(po.AdaBelief, weight_decouple=False)
probes.report(
    "pytorch_optimizer",
    AdaBelief=of("AdaBelief")
    | {
        "fixed_decay_times_lr": probes.decay(fixed, True)["times_lr"],
        "without_weight_decouple": probes.decay(without, True)["coupling"],
    },
    Lion=of("Lion"),
    SGDW=of("SGDW", momentum=0.9),
    AdamP=of("AdamP"),
    NovoGrad=flag("NovoGrad"),
    Adan=of("Adan"),
    AdEMAMix=of("AdEMAMix"),
)
