"""Fixtures of these tests, which also import from where they are made."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from looping import recipe, run  # noqa: F401
