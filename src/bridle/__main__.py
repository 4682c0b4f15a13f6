"""The program ``bridle``, also as ``python -m bridle``."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. An interrupt is one sentence too while it is being imported."""
    try:
        from bridle.cli import main as run

        run()
    except KeyboardInterrupt:
        exec("")  # noqa: S102  # as in bridle.cli.app
        print("bridle: interrupted; run it again", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    finally:  # the exit code is known: another interrupt ends the program without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
