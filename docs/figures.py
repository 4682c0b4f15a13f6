"""Draw the pictures of the documents: ``python docs/figures.py [NAME ...]``.

``gap`` is the README's; the others are the scripts of examples/article, whose printed lines are
written into docs/article.md and docs/zh-CN/article.md too.
"""

from __future__ import annotations

import io
import re
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import bridle

HERE = Path(__file__).parent
SCRIPTS = HERE.parent / "examples" / "article"
TRAINING, HELD_OUT = "#0072b2", "#d55e00"  # told apart by colour-blind eyes too


def gap() -> None:
    """Fit the example table and draw both networks' losses, the gap shaded."""
    recipe = bridle.Recipe(patience=None)
    result = bridle.fit(HERE.parent / "examples" / "credit-g.csv", target="class", recipe=recipe)
    history = result.history
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
    titles = ("No regularization", "Dropout, L1 and L2")
    for member, (axis, title) in enumerate(zip(axes, titles, strict=True)):
        training, held_out = history.train_loss[:, member], history.held_out_loss[:, member]
        epochs = range(1, len(training) + 1)
        axis.fill_between(epochs, training, held_out, color=HELD_OUT, alpha=0.15, label="gap")
        axis.plot(epochs, training, color=TRAINING, label="training")
        axis.plot(epochs, held_out, color=HELD_OUT, label="held out")
        best = int(history.best_epochs[member])
        axis.axvline(best, color="0.5", linestyle=":", linewidth=1, label="best epoch")
        axis.set_title(title, loc="left", fontsize=11)
        axis.set_xlabel("epoch")
        axis.set_ylim(0, 1.4)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("cross-entropy, noise off")
    axes[1].legend(frameon=False)
    figure.savefig(HERE / "images" / "gap.png", dpi=150)


def article(name: str) -> None:
    """Run a script of the article, keep its figure, and write what it prints into both pages."""
    folder = HERE / "images" / "article"
    folder.mkdir(parents=True, exist_ok=True)
    sys.argv = [f"{name}.py", str(folder / f"{name}.png")]
    printed = io.StringIO()
    with redirect_stdout(printed):
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    command = f"$ python examples/article/{name}.py\n"
    block = re.compile(f"^{re.escape(command)}.*?(?=^```)", re.M | re.S)
    shown = command + printed.getvalue()
    for page in (HERE / "article.md", HERE / "zh-CN" / "article.md"):
        text, count = block.subn(lambda _: shown, page.read_text(encoding="utf-8"))
        assert count == 1, f"{page} has {count} blocks for {name}"  # noqa: S101
        page.write_text(text, encoding="utf-8")


def main() -> None:
    """Draw what is named, or everything."""
    mpl.use("Agg")
    sys.path.insert(0, str(SCRIPTS))
    scripts = sorted(path.stem for path in SCRIPTS.glob("*.py") if path.stem != "common")
    for name in sys.argv[1:] or ["gap", *scripts]:
        gap() if name == "gap" else article(name)
        print(f"drawn: {name}")


if __name__ == "__main__":
    main()
