"""What holds for a component of any kind."""

from __future__ import annotations

from w2s_toolkit.testing.keys import KeyContract
from w2s_toolkit.testing.mistakes import MistakeContract
from w2s_toolkit.testing.registration import RegistrationContract
from w2s_toolkit.testing.subject import Values

__all__ = ["ComponentContract", "Values"]


class ComponentContract(RegistrationContract, KeyContract, MistakeContract):
    """Registration, keys and errors."""
