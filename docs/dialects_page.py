"""The tables of the page on all frameworks, in English and Chinese, from the records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from bridle.dialects import (
    DecaySetting,
    DropoutSetting,
    MaxNormSetting,
    PenaltySetting,
    Setting,
    frameworks,
    translate,
)
from bridle.errors import UsageError

MARK = re.compile(r"^<!-- dialects: (\w+)(?: (\w+))? -->$", re.M)
LANGUAGES = {"dialects": 0, "zh-CN/dialects": 1}

# each text in English and Chinese
HEADS = {
    "frameworks": (
        "framework|version|measured|by|settings|claims|what surprises",
        "框架|版本|测量日期|测量方式|设置数|结论数|出人意料之处",
    ),
    "settings": (
        "framework|setting|kind|what the number does|default|biases|norms|evidence|what surprises",
        "框架|设置|类别|数值的含义|默认值|偏置|归一化参数|依据|出人意料之处",
    ),
    "from": ("there|in bridle|what differs", "原框架|在 bridle 中|差别(英文,由程序生成)"),
}
CAPTIONS = {
    "frameworks": ("Frameworks", "框架"),
    "settings": ("Settings", "设置"),
    "from": ("Settings and what to write in bridle", "各设置及其在 bridle 中的写法"),
}
KINDS = {
    "dropout": ("dropout", "Dropout"),
    "penalty": ("penalty", "惩罚项"),
    "decay": ("weight decay", "权重衰减"),
    "max_norm": ("max-norm", "最大范数"),
}
WORDS = {
    "drop": ("probability to drop", "丢弃概率"),
    "keep": ("probability to keep", "保留概率"),
    "inverted": ("× 1/keep in training", "训练时乘以 1/保留概率"),
    "classic": ("× keep at prediction", "预测时乘以保留概率"),
    "none": ("never scaled", "从不缩放"),
    "other": ("scaled in its own way", "按自己的方式缩放"),
    "fresh active": ("active on a fresh model", "新建模型即启用"),
    "fresh inactive": ("inactive on a fresh model", "新建模型不启用"),
    "fresh argument": ("the call says whether it drops", "由调用参数决定是否丢弃"),
    "prediction active": ("also active at prediction", "预测时也启用"),
    "one refused": ("rate 1 is refused", "拒绝全部丢弃"),
    "one identity": ("rate 1 drops nothing", "丢弃率为 1 时什么也不丢弃"),
    "one nan": ("rate 1 gives NaN", "丢弃率为 1 时得到 NaN"),
    "one nan_gradient": ("rate 1 gives NaN gradients", "丢弃率为 1 时梯度为 NaN"),
    "gaussian": ("Gaussian noise", "高斯噪声"),
    "alpha": ("alpha dropout", "Alpha Dropout 噪声"),
    "path": ("whole residual branches", "整个残差分支"),
    "block": ("blocks", "块"),
    "channels": ("whole channels", "整个通道"),
    "weights": ("weights", "权重"),
    "trees": ("trees", "树"),
    "coupled": ("coupled", "耦合"),
    "decoupled": ("decoupled", "解耦"),
    "rescaled": ("rescaled by the optimizer", "被优化器缩放"),
    "no effect": ("no effect on the weights", "对权重没有作用"),
    "times lr": ("× learning rate", "乘以学习率"),
    "not times lr": ("not × learning rate", "不乘学习率"),
    "batch_rows": ("÷ rows of the batch", "除以批次行数"),
    "rows": ("÷ training rows", "除以训练行数"),
    "exact": ("exact zeros", "有精确的零"),
    "inexact": ("no exact zeros", "没有精确的零"),
    "reported": ("in the reported loss", "计入所报告的损失"),
    "training": ("in the training loss only", "只计入训练损失"),
    "never": ("not in the reported loss", "不计入所报告的损失"),
    "inverse": ("inverse strength", "强度的倒数"),
    "mean": ("mean over the weights", "对权重取平均"),
    "orthogonal": ("orthogonality", "正交性"),
    "group": ("group norms", "分组范数"),
    "elsewhere": ("another norm", "其他范数"),
    "squared": ("squared norm", "范数的平方"),
    "l2 bound": ("norm", "范数"),
    "forward": ("in the forward pass", "在前向传播中"),
    "after_step": ("after each step", "每步之后"),
    "before_step": ("before each step", "每步之前"),
    "epoch": ("after each epoch", "每轮之后"),
    "measured": ("measured", "实测"),
    "read": ("read", "阅读源码或手册"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
}


def page(name: str, text: str) -> str:
    """Return the text of a page with the tables in place of their marks."""
    if name not in LANGUAGES:
        return text
    language = LANGUAGES[name]

    def table(mark: re.Match[str]) -> str:
        kind, of = mark.groups()
        rows = {"frameworks": _frameworks, "settings": _settings}.get(kind)
        found = list(rows(language) if rows else _from(of))
        return _html(kind, found, language) if found else ""

    return MARK.sub(table, text)


def _html(kind: str, rows: Sequence[Sequence[str]], language: int) -> str:
    """Return a table that is plain HTML; a script makes it sortable."""
    caption = CAPTIONS[kind][language]
    heads = "".join(
        f'<th scope="col">{escape(each)}</th>' for each in HEADS[kind][language].split("|")
    )
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    searched = ' data-filter="1"' if kind == "settings" else ""
    return (
        f'```{{raw}} html\n<div class="dialects" role="region" aria-label="{caption}" tabindex="0">'
        f'<table class="table"{searched}><caption>{caption}</caption>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n```"
    )


def _code(text: object) -> str:
    return f"<code>{escape(str(text))}</code>"


def _frameworks(language: int) -> Iterable[Sequence[str]]:
    for each in frameworks():
        by = WORDS["read"][language] if each.by == "reading" else _code(each.by)
        counts = (str(len(each.settings)), str(len(each.claims)))
        told = (each.surprise, each.surprise_zh)[language]
        yield (
            escape(each.title),
            escape(each.version),
            str(each.measured),
            by,
            *counts,
            escape(told),
        )


def _settings(language: int) -> Iterable[Sequence[str]]:
    for framework in sorted(frameworks(), key=lambda each: each.title.lower()):
        for each in framework.settings:
            name = _code(f"{framework.name}.{each.name}") + f"<br>{_code(each.call)}"
            flags = [_flag(getattr(each, key, None), language) for key in ("biases", "norms")]
            stated = [c for c in framework.stated if c.id.split(".")[1] == each.name]
            told = [(each.surprise, each.surprise_zh)[language] or ""]
            told += [(claim.text, claim.text_zh)[language] or "" for claim in stated]
            yield (
                escape(f"{framework.title} {framework.version}"),
                name,
                KINDS[each.kind][language],
                escape(_meaning(each, language)),
                _default(each),
                *flags,
                WORDS[each.evidence][language],
                "<br>".join(escape(text) for text in told if text),
            )


def _flag(value: bool | None, language: int) -> str:
    return "" if value is None else WORDS["yes" if value else "no"][language]


def _default(setting: Setting) -> str:
    if setting.argument not in setting.signature.defaults or setting.default is None:
        return "–"
    return _code(f"{setting.default!r}")


def _meaning(setting: Setting, language: int) -> str:
    tokens = list(_tokens(setting))
    separator = (", ", ",")[language]
    return separator.join(WORDS[each][language] if each in WORDS else each for each in tokens)


def _tokens(setting: Setting) -> Iterable[str]:
    """Return the keys of ``WORDS``, and formulas, that say what a setting does."""
    if isinstance(setting, DropoutSetting):
        yield from (setting.probability, setting.scaling)
        yield from () if setting.noise == "bernoulli" else (setting.noise,)
        keys = (f"fresh {setting.fresh}", f"prediction {setting.prediction}")
        yield from (key for key in (*keys, f"one {setting.rate_one}") if key in WORDS)
    elif isinstance(setting, PenaltySetting):
        yield from _penalty(setting)
    elif isinstance(setting, DecaySetting):
        factor = "" if setting.factor in {None, 1} else f"{setting.factor:g}·"
        if setting.coupling == "none":
            yield "no effect"
        elif setting.coupling == "coupled":
            yield f"g + {factor}c·w"
            yield "coupled"
            yield from ("rescaled",) if setting.adaptive else ()
        else:
            lr = "" if setting.times_lr is False else "lr·"
            yield f"w − {lr}{factor}c·w"
            yield "decoupled"
            yield "not times lr" if setting.times_lr is False else "times lr"
    elif isinstance(setting, MaxNormSetting):
        yield {"l2": "l2 bound", "squared_l2": "squared"}.get(setting.norm, "elsewhere")
        yield f"≤ {setting.argument}"
        yield from (setting.applied,) if setting.applied else ()


def _penalty(setting: PenaltySetting) -> Iterable[str]:
    number = 1 if setting.factor is None else setting.factor
    factor = {1: "", 0.5: "½ "}.get(number, f"{number:g} ")
    forms = {"l1": f"{factor}c Σ|w|", "l2": f"{factor}c Σw²"}
    forms["elastic"] = f"c₁ Σ|w| + {factor}c₂ Σw²"
    yield forms.get(setting.norm, {"other": "elsewhere"}.get(setting.norm, setting.norm))
    yield from ("inverse",) if setting.inverse else ()
    yield from ("mean",) if setting.reduction == "mean" else ()
    yield from (setting.divided_by,) if setting.divided_by in {"rows", "batch_rows"} else ()
    if setting.exact_zeros is not None:
        yield "exact" if setting.exact_zeros else "inexact"
    reported = {"always": "reported", "training": "training", "never": "never"}
    yield from (reported[setting.in_reported_loss],) if setting.in_reported_loss else ()


def _from(name: str) -> Iterable[Sequence[str]]:
    """Return what to write in bridle for each setting of a framework that has a counterpart."""
    found = [each for each in frameworks() if each.name == name]
    for framework in found:
        for each in framework.settings:
            recipe = _recipe(each)
            try:
                there = translate(recipe, "bridle", rows=100, learning_rate=0.01)
            except UsageError:
                continue
            told = "<br>".join(map(escape, there.warnings))
            yield (_code(recipe), _code(there.line), told)


def _recipe(setting: Setting) -> str:
    """Return a recipe with the numbers that are usual for a setting."""
    values: dict[str, Any] = {"dropout": 0.2, "max_norm": 3, "penalty": 0.01, "decay": 0.01}
    value = values[setting.kind]
    if isinstance(setting, DropoutSetting) and setting.probability == "keep":
        value = 0.8
    if isinstance(setting, PenaltySetting) and setting.inverse:
        value = 1.0
    arguments = [f"{setting.argument}={value}"]
    second = getattr(setting, "second_argument", None)
    if second is not None:
        share = getattr(setting, "mixed", None) == "share"
        arguments.append(f"{second}={0.5 if share else 0.01}")
    lr = getattr(setting, "lr_argument", None)
    arguments = [f"{lr}=0.01", *arguments] if lr else arguments
    return f"{'.'.join(setting.signature.path)}({', '.join(arguments)})"
