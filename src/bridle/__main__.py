"""``python -m bridle`` is ``bridle``."""

from bridle.cli import main

if __name__ == "__main__":
    main()
