"""Draw the picture of the README: ``python docs/figures.py`` writes docs/images/gap.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt

import bridle

HERE = Path(__file__).parent
TRAINING, HELD_OUT = "#0072b2", "#d55e00"  # told apart by colour-blind eyes too


def main() -> None:
    """Fit the example table and draw both networks' losses, the gap shaded."""
    mpl.use("Agg")
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
    out = HERE / "images"
    out.mkdir(exist_ok=True)
    figure.savefig(out / "gap.png", dpi=150)
    print(f"wrote {out / 'gap.png'}")


if __name__ == "__main__":
    main()
