"""``python -m dcpt``: the command line."""

from dcpt.cli.main import main

if __name__ == "__main__":
    main()
