"""``python -m w2s_toolkit`` is ``w2s``."""

from w2s_toolkit.cli.main import entry

if __name__ == "__main__":
    entry()
